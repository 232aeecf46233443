import { join } from 'node:path';
import { userOfEngine } from '../../posture/fact/docker.ts';
import { socketUnder } from '../inspector/runtime-reply.ts';
import type { NodeAccess } from '../node-access.ts';
import { parseEndpoint } from '../runtime/docker/engine-address.ts';
import { createDockerModem } from '../runtime/docker/modem.ts';
import { IMAGE_CALL_LIMITS } from './docker-image.ts';
import { createDockerImages } from './docker-images.ts';
import type { EngineImages, ListedImage, StoredImage } from './engine-images.ts';
import { encodeOutcome, readSource, unreadableFiles } from './read-source.ts';
import type { TakenInventory } from './read-source.ts';

/** What the engines have, or why one of them could not be asked. */
export type StoredImageList =
  { readonly ok: true; readonly images: readonly StoredImage[] } | { readonly ok: false; readonly reason: string };

/** Reads images that no container runs. */
export interface RestingImages {
  /** All images of the engines of root on unix sockets: those with a tag first, the newest before others. */
  readonly list: () => Promise<StoredImageList>;
  /** Takes the inventory of an image through its layers. Never rejects. */
  readonly take: (image: StoredImage, signal: AbortSignal) => Promise<TakenInventory>;
}

/** What it reads with. */
export interface RestingImagesOptions {
  readonly access: Pick<NodeAccess, 'host' | 'runtime' | 'engines'>;
  /** Where the root directory of the node is seen from here. */
  readonly hostRoot: string;
  /** Entry of the thread that reads images. */
  readonly worker: URL;
}

/** Images of this node. */
export function createRestingImages({ access, hostRoot, worker }: RestingImagesOptions): RestingImages {
  const { host } = access;
  const known = new Map<string, EngineImages>();
  /** Links are resolved inside the root of the node. */
  const rootedPath = async (path: string): Promise<string> => {
    const found = await host.stat(path);
    return join(hostRoot, found.ok ? found.value.realPath : path);
  };
  const open = async (endpoint: string, name: string): Promise<EngineImages | undefined> => {
    const address = parseEndpoint(endpoint);
    if (address?.kind !== 'unix') return undefined;
    const path = socketUnder(hostRoot, endpoint, host);
    if (CRI_RUNTIMES.has(name)) {
      // gRPC is not loaded where no runtime needs it.
      const [{ createCriClient }, { createCriImages }] = await Promise.all([
        import('../runtime/cri/cri-client.ts'),
        import('./cri-images.ts'),
      ]);
      const client = createCriClient({ socketPath: path ?? (() => address.path), ...IMAGE_CALL_LIMITS });
      return createCriImages(endpoint, client, rootedPath);
    }
    if (!DOCKER_APIS.has(name)) return undefined;
    const locate = path === undefined ? () => address : async () => ({ kind: 'unix', path: await path() }) as const;
    return createDockerImages(endpoint, createDockerModem(locate, IMAGE_CALL_LIMITS), rootedPath);
  };
  const imagesOf = async (endpoint: string, name: string): Promise<EngineImages | undefined> => {
    const images = known.get(endpoint) ?? (await open(endpoint, name));
    if (images !== undefined) known.set(endpoint, images);
    return images;
  };
  const list: RestingImages['list'] = async () => {
    const found = new Map<string, ListedImage>();
    for (const { endpoint, name } of [access.runtime, ...(await access.engines.others(host))]) {
      // What a user's own engine says of an image is true for that user only.
      const engine = userOfEngine(endpoint) === 0 ? await imagesOf(endpoint, name) : undefined;
      const listed = await engine?.list();
      if (listed?.ok === false && !listed.isAbsent) return { ok: false, reason: `${endpoint}: ${listed.reason}` };
      for (const image of listed?.ok === true ? listed.images : [])
        if (!found.has(image.imageId)) found.set(image.imageId, image);
    }
    const images = [...found.values()].sort(
      (one, other) =>
        Number(one.names.length === 0) - Number(other.names.length === 0) || other.createdS - one.createdS,
    );
    return { ok: true, images };
  };
  const take = async ({ imageId, engine }: StoredImage, signal: AbortSignal): Promise<TakenInventory> => {
    const images = known.get(engine);
    if (images === undefined) return { ok: false, problem: 'its engine cannot be asked' };
    const located = await images.locate(imageId);
    if (!located.ok) return { ok: false, problem: located.reason };
    const outcome = await readSource(located.source, worker, signal);
    if (outcome.ok && !(await images.has(imageId)))
      return { ok: false, problem: 'the image was deleted while it was read' };
    return encodeOutcome(outcome, 'layers');
  };
  return {
    list,
    take: async (image, signal) => {
      try {
        return await take(image, signal);
      } catch (error) {
        return unreadableFiles(error);
      }
    },
  };
}

/** Names of runtimes by their API. */
const DOCKER_APIS: ReadonlySet<string> = new Set(['docker', 'podman']);
const CRI_RUNTIMES: ReadonlySet<string> = new Set(['containerd', 'cri-o']);
