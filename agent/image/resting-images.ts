import { join } from 'node:path';
import { userOfEngine } from '../../posture/fact/docker.ts';
import { dockerDiffIds } from '../../image/inventory/docker-layers.ts';
import type { Host } from '../host/host.ts';
import { clip } from '../inspector/clip.ts';
import { socketUnder } from '../inspector/runtime-reply.ts';
import type { NodeAccess } from '../node-access.ts';
import { parseEndpoint } from '../runtime/docker/engine-address.ts';
import { createDockerModem } from '../runtime/docker/modem.ts';
import type { DockerModem } from '../runtime/docker/modem.ts';
import { askEngine, dataRootOf, IMAGE, IMAGE_CALL_LIMITS, IMAGE_LIST } from './docker-image.ts';
import { encodeOutcome, readSource, unreadableFiles } from './read-source.ts';
import type { TakenInventory } from './read-source.ts';

/** An image that an engine of the node has, whether a container runs it or not. */
export interface StoredImage {
  /** `sha256:…` of its configuration. */
  readonly imageId: string;
  /** Its tags, at most 16. */
  readonly names: readonly string[];
  /** Endpoint of the engine that has it. */
  readonly engine: string;
}

/** What the engines have, or why one of them could not be asked. */
export type StoredImageList =
  { readonly ok: true; readonly images: readonly StoredImage[] } | { readonly ok: false; readonly reason: string };

/** Reads images that no container runs. */
export interface RestingImages {
  /** All images of the engines of root with the Docker API: those with a tag first, the newest before others. */
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

const MAX_NAMES = 16;
const MAX_NAME = 512;
const IMAGE_ID = /^sha256:[0-9a-f]{64}$/;

/** Images of this node. */
export function createRestingImages({ access, hostRoot, worker }: RestingImagesOptions): RestingImages {
  const { host } = access;
  const modems = new Map<string, DockerModem>();
  const modemOf = (endpoint: string): DockerModem | undefined => {
    const address = parseEndpoint(endpoint);
    if (address?.kind !== 'unix') return undefined;
    const path = socketUnder(hostRoot, endpoint, host);
    const locate = path === undefined ? () => address : async () => ({ kind: 'unix', path: await path() }) as const;
    const modem = modems.get(endpoint) ?? createDockerModem(locate, IMAGE_CALL_LIMITS);
    modems.set(endpoint, modem);
    return modem;
  };
  const list: RestingImages['list'] = async () => {
    const found = new Map<string, StoredImage & { readonly createdS: number }>();
    for (const { endpoint, name } of [access.runtime, ...(await access.engines.others(host))]) {
      // What a user's own engine says of an image is true for that user only. Other runtimes have another API.
      const modem = userOfEngine(endpoint) === 0 && ENGINES.has(name) ? modemOf(endpoint) : undefined;
      if (modem === undefined) continue;
      const listed = await askEngine(modem, '/images/json', IMAGE_LIST);
      if (!listed.ok && listed.code === 'absent') continue;
      if (!listed.ok) return { ok: false, reason: `${endpoint}: ${listed.reason}` };
      for (const { Id, RepoTags, Created } of listed.value) {
        if (!IMAGE_ID.test(Id) || found.has(Id)) continue;
        const names = RepoTags.filter((tag) => !tag.includes('<none>')).slice(0, MAX_NAMES);
        found.set(Id, {
          imageId: Id,
          names: names.map((tag) => clip(tag, MAX_NAME)),
          engine: endpoint,
          createdS: Created,
        });
      }
    }
    const images = [...found.values()].sort(
      (one, other) =>
        Number(one.names.length === 0) - Number(other.names.length === 0) || other.createdS - one.createdS,
    );
    return { ok: true, images };
  };
  const take = async ({ imageId, engine }: StoredImage, signal: AbortSignal): Promise<TakenInventory> => {
    const modem = modemOf(engine);
    if (modem === undefined) return { ok: false, problem: 'its engine cannot be asked' };
    const path = `/images/${imageId}/json`;
    const [root, image] = [await dataRootOf(modem), await askEngine(modem, path, IMAGE)];
    if (!root.ok) return { ok: false, problem: root.reason };
    if (!image.ok) return { ok: false, problem: `its layers are not known: ${image.reason}` };
    const dataRoot = await rootedPath(root.dataRoot, { host, hostRoot });
    // What the engine says of an image has to be the image of this id.
    const found = dockerDiffIds(dataRoot, imageId);
    if (!found.ok) return { ok: false, problem: `its layers are not known: ${found.reason}` };
    const { diffIds } = found;
    if (diffIds.length === 0) return { ok: false, problem: 'it has no layers' };
    const source = { kind: 'docker', dataRoot, diffIds } as const;
    const outcome = await readSource(source, worker, signal);
    // An engine forgets an image before it deletes its layers.
    if (outcome.ok && !(await askEngine(modem, path, IMAGE)).ok)
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

/** Names of runtimes with the Docker API. */
const ENGINES: ReadonlySet<string> = new Set(['docker', 'podman']);

/** Where this process sees a directory of the node: links resolved inside the root of the node. */
async function rootedPath(
  path: string,
  { host, hostRoot }: { readonly host: Host; readonly hostRoot: string },
): Promise<string> {
  const found = await host.stat(path);
  return join(hostRoot, found.ok ? found.value.realPath : path);
}
