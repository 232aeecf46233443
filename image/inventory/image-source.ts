import { openArchiveTree } from './archive/archive-tree.ts';
import { findStoredManifests } from './archive/stored-manifests.ts';
import { findDockerLayers, readFoundLayers } from './docker-layers.ts';
import type { FoundLayers } from './docker-layers.ts';
import { openDirectoryTree } from './directory-tree.ts';
import { FileTreeError } from './file-tree.ts';
import type { OpenFileTree } from './file-tree.ts';
import { openLayerTree } from './layer-tree.ts';
import { findStorageLayers } from './storage-layers.ts';

/** Where the files of an image are. Plain data: it is handed to the worker. */
export type ImageSource =
  /** A root directory; `mounts` as in `DirectoryTreeOptions`. */
  | { readonly kind: 'directory'; readonly path: string; readonly mounts: 'volume' | 'gap' }
  /** The layers of an image in the data directory of dockerd, as in `findDockerLayers`; `diffIds` oldest first. */
  | { readonly kind: 'docker'; readonly dataRoot: string; readonly diffIds: readonly string[] }
  /** The layers of an image in the storage of Podman and CRI-O, as in `findStorageLayers`. */
  | { readonly kind: 'storage'; readonly root: string; readonly imageId: string }
  /** An image in a content store, as in `findStoredManifests`. */
  | {
      readonly kind: 'content';
      readonly store: string;
      readonly imageId: string;
      readonly temporaryDirectory: string;
    }
  /** A tar file or directory, as in `openArchiveTree`; `name` chooses one of several images. */
  | {
      readonly kind: 'archive';
      readonly path: string;
      readonly temporaryDirectory: string;
      readonly name?: string;
    };

/** A tree, or why the source cannot be read at all. */
export type OpenedSource =
  | {
      readonly ok: true;
      readonly tree: OpenFileTree;
      readonly imageId?: string;
      /** Asked after the tree was read: why what was read may not be the image; undefined: it is. */
      readonly findChange?: () => string | undefined;
    }
  | { readonly ok: false; readonly reason: string };

/** What opening reports and asks. */
export interface OpeningCalls {
  readonly isExpired: () => boolean;
  readonly onLayer: (layers: number, ofLayers: number) => void;
}

/** Opens the files of an image. A source that cannot be read is a value; throws for bugs only. */
export async function openImageSource(source: ImageSource, calls: OpeningCalls): Promise<OpenedSource> {
  switch (source.kind) {
    case 'directory':
      return open(() => openDirectoryTree(source.path, { mounts: source.mounts }));
    case 'docker':
      return openLayers(() => findDockerLayers(source.dataRoot, source.diffIds));
    case 'storage':
      return openLayers(() => findStorageLayers(source.root, source.imageId));
    case 'content':
      return openStored(source, calls);
    case 'archive': {
      const { path, temporaryDirectory, name } = source;
      return openArchiveTree(path, {
        temporaryDirectory,
        ...(name !== undefined && { name }),
        isExpired: calls.isExpired,
        onProgress: calls.onLayer,
      });
    }
  }
}

async function openLayers(find: () => FoundLayers): Promise<OpenedSource> {
  const found = find();
  if (!found.ok) return found;
  const located = await readFoundLayers(found.layers);
  if (!located.ok) return located;
  const opened = open(() => openLayerTree(located.layers));
  if (!opened.ok) return opened;
  return {
    ...opened,
    findChange: () => {
      const after = find();
      const isSame = after.ok && after.layers.every(({ identity }, at) => identity === found.layers[at]?.identity);
      return isSame ? undefined : 'the image was deleted while it was read';
    },
  };
}

/** An agent reads these, on a disk that is not its own. */
const STORED_LIMITS = { maxStoredBytes: 256 * 1024 ** 2, maxTotalBytes: 16 * 1024 ** 3 };

/** The first manifest of the image whose layers are there and have the digests of its configuration. */
async function openStored(
  { store, imageId, temporaryDirectory }: Extract<ImageSource, { readonly kind: 'content' }>,
  { isExpired, onLayer }: OpeningCalls,
): Promise<OpenedSource> {
  const manifests = findManifests(store, imageId);
  if (typeof manifests === 'string') return { ok: false, reason: manifests };
  let refused: OpenedSource = { ok: false, reason: 'the content store has no manifest of the image' };
  for (const manifest of manifests) {
    const opened = await openArchiveTree(store, {
      temporaryDirectory,
      manifest,
      limits: STORED_LIMITS,
      isExpired,
      onProgress: onLayer,
    });
    if (opened.ok) return opened;
    refused = opened;
  }
  return refused;
}

function findManifests(store: string, imageId: string): readonly string[] | string {
  try {
    return findStoredManifests(store, imageId);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
    if (code === undefined) throw error;
    return `the content store cannot be read: ${code}`;
  }
}

function open(make: () => OpenFileTree): OpenedSource {
  try {
    return { ok: true, tree: make() };
  } catch (error) {
    if (error instanceof FileTreeError) return { ok: false, reason: error.message };
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
    if (code === undefined) throw error;
    return { ok: false, reason: `the directory cannot be opened: ${code}` };
  }
}
