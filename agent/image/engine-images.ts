import type { ImageSource } from '../../image/inventory/image-source.ts';

/** An image that an engine of the node has, whether a container runs it or not. */
export interface StoredImage {
  /** `sha256:…` of its configuration. */
  readonly imageId: string;
  /** Its tags, at most 16. */
  readonly names: readonly string[];
  /** Endpoint of the engine that has it. */
  readonly engine: string;
}

/** An image in the list of an engine. */
export interface ListedImage extends StoredImage {
  /** Seconds since 1970; 0 where the engine does not say. */
  readonly createdS: number;
}

/** What an engine has, or why it could not be asked. `absent`: nobody listens there. */
export type EngineImageList =
  | { readonly ok: true; readonly images: readonly ListedImage[] }
  | { readonly ok: false; readonly isAbsent: boolean; readonly reason: string };

/** Where the files of an image are, or why that is not known. */
export type LocatedImage =
  { readonly ok: true; readonly source: ImageSource } | { readonly ok: false; readonly reason: string };

/** The images that one engine of the node stores. Nothing here rejects for what the engine answers. */
export interface EngineImages {
  readonly list: () => Promise<EngineImageList>;
  readonly locate: (imageId: string) => Promise<LocatedImage>;
  /** Whether the engine still has the image: it forgets an image before it deletes its layers. */
  readonly has: (imageId: string) => Promise<boolean>;
}

const MAX_NAMES = 16;
const MAX_NAME = 512;
const IMAGE_ID = /^sha256:[0-9a-f]{64}$/;

/** An image as it is kept; undefined for one without a digest. Tags that are none are left out. */
export function toListedImage(
  imageId: string,
  { tags, engine, createdS }: { readonly tags: readonly string[]; readonly engine: string; readonly createdS: number },
): ListedImage | undefined {
  if (!IMAGE_ID.test(imageId)) return undefined;
  const names = tags.filter((tag) => !tag.includes('<none>')).slice(0, MAX_NAMES);
  return { imageId, names: names.map((tag) => tag.slice(0, MAX_NAME)), engine, createdS };
}
