import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { ContentStore } from '../../image/inventory/archive/content-store.ts';
import { FileTreeError } from '../../image/inventory/file-tree.ts';
import { findDockerLayers } from '../../image/inventory/docker-layers.ts';
import { findStorageLayers } from '../../image/inventory/storage-layers.ts';
import type { ImageSource } from '../../image/inventory/image-source.ts';
import type { Settings } from '../../service/config/settings.ts';
import { DEFAULT_ENDPOINT, parseEndpoint } from '../runtime/docker/engine-address.ts';
import type { EngineAddress } from '../runtime/docker/engine-address.ts';
import { engineTlsPaths, loadEngineTls } from '../runtime/docker/load-engine-tls.ts';
import { createDockerModem } from '../runtime/docker/modem.ts';
import type { DockerModem } from '../runtime/docker/modem.ts';
import { findContainerRoot } from './container-root.ts';
import { askEngine, CONTAINER, dataRootOf, IMAGE, IMAGE_CALL_LIMITS } from './docker-image.ts';

/** Which image of a local engine is meant. */
export interface EngineImageRequest {
  readonly settings: Settings;
  /** Name, digest or id of an image, or name or id of a running container. */
  readonly reference: string;
  readonly signal: AbortSignal;
  /** Called while the engine exports the image, with the bytes so far. */
  readonly onExported: (bytes: number) => void;
}

/** Where the image can be read until `close` is called, or why it cannot. */
export type EngineImage =
  | {
      readonly ok: true;
      readonly source: ImageSource;
      /** The id of the image: the SHA-256 of its configuration. */
      readonly imageId: string;
      /** `container` where the name was that of a running container: its root may differ from its image. */
      readonly of: 'image' | 'container';
      /** Asked after it was read: why what was read may not be the container; absent: nothing can have changed. */
      readonly findChange?: () => Promise<string | undefined>;
      readonly close: () => void;
    }
  | { readonly ok: false; readonly problem: string; readonly hint?: string };

const PODMAN_ENDPOINT = 'unix:///run/podman/podman.sock';
/** An export that sends nothing for this long has failed. */
const STALL_MS = 60_000;
const MAX_EXPORT_BYTES = 64 * 1024 ** 3;
/** What names and digests consist of: nothing that would change the path of a request. */
const REFERENCE = /^[A-Za-z0-9](?:[A-Za-z0-9._:@-]|\/(?=[A-Za-z0-9])){0,511}$/;

/**
 * Finds an image, or a running container, of the Docker API that the settings name (default: dockerd, else Podman). The
 * root of a running container is read in place; an image is exported into a temporary file without a name.
 */
export async function openEngineImage(request: EngineImageRequest): Promise<EngineImage> {
  const { reference, settings } = request;
  if (!REFERENCE.test(reference) || reference.includes('..'))
    return { ok: false, problem: 'this is neither a file nor the name of an image' };
  const tlsPaths = engineTlsPaths(settings);
  const tls = tlsPaths === undefined ? undefined : await loadEngineTls(tlsPaths);
  let failure: Extract<EngineImage, { ok: false }> = { ok: false, problem: 'no engine is named' };
  for (const endpoint of endpointsOf(settings)) {
    const address = parseEndpoint(endpoint, tls);
    if (address === undefined) continue;
    const modem = createDockerModem(() => address, IMAGE_CALL_LIMITS);
    const image = await askEngine(modem, `/images/${reference}/json`, IMAGE);
    if (image.ok) return (await inPlace(modem, address, image.value)) ?? exportImage(modem, image.value.Id, request);
    if (image.code === 'notFound') {
      const container = await askEngine(modem, `/containers/${reference}/json`, CONTAINER);
      if (container.ok) return ofContainer(container.value, address);
      failure = {
        ok: false,
        problem: `the engine has no image and no container ${reference}`,
        hint: 'pull it first, or give the path of an archive',
      };
    } else if (failure.problem === 'no engine is named') {
      failure = {
        ok: false,
        problem: `${endpoint} could not be asked: ${image.reason}`,
        hint: 'docker-host or DOCKER_HOST names the engine; an archive or --rootfs needs none',
      };
    }
  }
  return failure;
}

/**
 * The layers of an image in the data directory of a dockerd or Podman of this machine; undefined where they cannot be read there,
 * as without the right to it, with another storage driver, or with the image store of containerd.
 */
async function inPlace(
  modem: DockerModem,
  address: EngineAddress,
  { Id, RootFS }: { readonly Id: string; readonly RootFS: { readonly Layers: readonly string[] } },
): Promise<EngineImage | undefined> {
  if (address.kind !== 'unix') return undefined;
  const root = await dataRootOf(modem);
  if (!root.ok) return undefined;
  const { dataRoot, driver } = root;
  const isPodman = driver === 'overlay';
  const found = isPodman ? findStorageLayers(dataRoot, Id) : findDockerLayers(dataRoot, RootFS.Layers);
  if (!found.ok || found.layers.length === 0) return undefined;
  const source: ImageSource = isPodman
    ? { kind: 'storage', root: dataRoot, imageId: Id }
    : { kind: 'docker', dataRoot, diffIds: RootFS.Layers };
  return { ok: true, source, imageId: Id, of: 'image', close: () => undefined };
}

function endpointsOf({ dockerHost }: Settings): readonly string[] {
  const named = dockerHost
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '' && each !== 'off');
  return named.length > 0 ? named : [DEFAULT_ENDPOINT, PODMAN_ENDPOINT];
}

async function ofContainer(
  { Id, Image, State }: { Id: string; Image: string; State: { Running: boolean; Pid: number } },
  address: EngineAddress,
): Promise<EngineImage> {
  if (!State.Running || State.Pid === 0)
    return { ok: false, problem: 'the container does not run', hint: 'name its image instead' };
  // The process ids of an engine on another machine mean nothing here.
  if (address.kind !== 'unix')
    return { ok: false, problem: 'the container runs on another machine', hint: 'name its image instead' };
  const root = await findContainerRoot({ hostRoot: '/', id: Id, pid: State.Pid });
  if (!root.ok)
    return {
      ok: false,
      problem: `the files of the container cannot be read in place: ${root.problem}`,
      hint: 'name its image instead',
    };
  const { path, findChange } = root;
  const source: ImageSource = { kind: 'directory', path, mounts: 'volume' };
  return { ok: true, source, imageId: Image, of: 'container', findChange, close: () => undefined };
}

async function exportImage(modem: DockerModem, imageId: string, request: EngineImageRequest): Promise<EngineImage> {
  const temporaryDirectory = tmpdir();
  if (!/^(?:sha256:)?[0-9a-f]{64}$/.test(imageId))
    return { ok: false, problem: 'the engine names the image by no digest' };
  const store = new ContentStore(temporaryDirectory, MAX_EXPORT_BYTES);
  try {
    const stream = await openExport(modem, imageId, request.signal);
    await receive(stream, store, request);
    const source: ImageSource = { kind: 'archive', path: store.path, temporaryDirectory };
    return { ok: true, source, imageId, of: 'image', close: () => store.close() };
  } catch (error) {
    store.close();
    const reason = error instanceof Error ? error.message : String(error);
    return { ok: false, problem: `the engine did not export the image: ${reason}` };
  }
}

function openExport(modem: DockerModem, imageId: string, abortSignal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const path = `/images/${imageId}/get`;
    modem.dial({ path, method: 'GET', isStream: true, abortSignal }, (error, value) => {
      if (error !== null) reject(error);
      else resolve(value as IncomingMessage);
    });
  });
}

async function receive(
  stream: IncomingMessage,
  store: ContentStore,
  { signal, onExported }: EngineImageRequest,
): Promise<void> {
  const stall = (): void => void stream.destroy(new Error(`nothing received for ${String(STALL_MS / 1000)} s`));
  let timer = setTimeout(stall, STALL_MS);
  const abort = (): void => void stream.destroy(new Error('stopped'));
  signal.addEventListener('abort', abort, { once: true });
  try {
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      clearTimeout(timer);
      timer = setTimeout(stall, STALL_MS);
      store.append(chunk);
      onExported(store.length);
    }
    if (!stream.complete) throw new FileTreeError('damaged', 'the connection was closed before its end');
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}
