import Docker from 'dockerode';
import type { Infer } from '../../../posture/schema.ts';
import { createEventLines, eventParameters } from './events.ts';
import { createDockerModem } from './modem.ts';
import type { DockerModem } from './modem.ts';
import { parseEndpoint } from './engine-address.ts';
import type { EngineAddress, EngineTls } from './engine-address.ts';
import { toContainer, toListedContainer } from './container.ts';
import { containerListSchema, inspectSchema, labelsSchema } from './container-schema.ts';
import {
  imageListSchema,
  infoSchema,
  networkSchema,
  parseInterContainer,
  toContainerCounts,
  toDockerApi,
  toStoredImages,
  toVersion,
  versionSchema,
} from './engine.ts';
import { createHandlers } from './handlers.ts';
import type { Handlers } from './handlers.ts';
import { historySchema, imageSchema, toHistory, toImage } from './image.ts';
import { failureFromConnection, rawFailure } from '../connection-failure.ts';
import { failedReply, parseReply } from './reply.ts';
import type { EngineName, RawReply } from './reply.ts';
import { readSwarm } from './swarm.ts';
import { createReplyCache } from '../reply-cache.ts';
import { createRevisions } from './revisions.ts';
import type { Revisions } from './revisions.ts';
import { parseLabels } from '../labels.ts';
import { observeReply, replyFailure } from '../runtime.ts';
import type { ContainerRuntime, EngineInfo, ListedContainer, Reply, RuntimeEvent } from '../runtime.ts';
import { mapObserved } from '../../../posture/observed.ts';
import type { RuntimeContainer } from '../../../posture/fact/container.ts';
import { clip } from '../../inspector/clip.ts';
import type { ImageFact } from '../../../posture/fact/image.ts';

/** Which engine, and the bounds of a call. */
export interface DockerRuntimeOptions {
  /** `unix:///var/run/docker.sock` or `tcp://127.0.0.1:2376`. */
  readonly endpoint: string;
  /** For one call, and for the event stream to begin; default 5,000. */
  readonly timeoutMs?: number | undefined;
  /** Of one answer; default 8 MiB. */
  readonly maxBytes?: number | undefined;
  /** Path of the socket in this mount namespace, where it is not the path of the endpoint. Called for each request. */
  readonly socketPath?: (() => Promise<string>) | undefined;
  /** For a TCP endpoint: reads the certificates. Called until it succeeds once; rejects with what is wrong. */
  readonly tls?: (() => Promise<EngineTls>) | undefined;
  /** Milliseconds that never go back; for tests. */
  readonly monotonicMs?: (() => number) | undefined;
}

const DEFAULT_TIMEOUT_MS = 5000;
const DEFAULT_MAX_BYTES = 8 * 1024 * 1024;

// Ids, names and image references (distribution/reference grammar). Anything else in a URL is not a name.
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.:@/-]{0,511}$/;

/**
 * An engine with the Docker API (dockerd, or the service of Podman), read through dockerode over {@link DockerModem}. Its
 * name is what its latest response says. Call at most 8 methods at a time.
 */
export function createDockerRuntime(options: DockerRuntimeOptions): ContainerRuntime {
  const { endpoint, timeoutMs = DEFAULT_TIMEOUT_MS, maxBytes = DEFAULT_MAX_BYTES } = options;
  const docker = createClient(createDockerModem(locator(options), { timeoutMs, maxBytes }));
  const inspected = createReplyCache<RuntimeContainer>();
  let name: EngineName = 'docker';
  const identified = async (answer: Promise<RawReply>): Promise<RawReply> => {
    const raw = await answer;
    if (raw.ok) name = raw.engine;
    return raw;
  };
  const revisions = createRevisions(options.monotonicMs);
  const handlers = createHandlers(
    async () => {
      const info = parseReply(await rawOf(docker.info()), infoSchema, 'GET /info');
      return info.ok ? info.value.Runtimes : undefined;
    },
    options.monotonicMs ?? (() => performance.now()),
  );
  const readVersion: ReadVersion = async () =>
    parseReply(await identified(rawOf(docker.version())), versionSchema, 'GET /version');
  return {
    get name() {
      return name;
    },
    endpoint,
    version: async () => mapReply(await readVersion(), toVersion),
    engine: () => readEngine(docker, readVersion, handlers),
    listContainers: async () => {
      const list = await listContainers(docker, revisions);
      if (list.ok) inspected.retain(new Set(list.value.map(({ id }) => id)));
      return list;
    },
    inspectContainer: async (id) => {
      const source = `GET /containers/${clip(id, 128)}/json`;
      const raw = await identified(named(id, (encoded) => docker.getContainer(encoded).inspect()));
      if (!raw.ok) return failedReply(raw, source);
      const { engine } = raw;
      // Most containers say the same as at the last call.
      const reply = inspected.get(id, raw.json, () =>
        toContainer(parseReply(raw, inspectSchema, source), id, { endpoint, engine }),
      );
      return reply.ok ? { ...reply, value: await handlers.complete(reply.value) } : reply;
    },
    containerLabels: (id) => readLabels(docker, id),
    inspectImage: (id) => inspectImage(docker, id),
    events: (onEvent, onEnd, signal) => {
      const follow = async (): Promise<void> => {
        const reason = await followEvents({ docker, revisions }, onEvent, signal);
        if (!signal.aborted) onEnd(reason);
      };
      void follow();
    },
  };
}

type ReadVersion = () => Promise<Reply<Infer<typeof versionSchema>>>;

async function readEngine(docker: Docker, readVersion: ReadVersion, handlers: Handlers): Promise<Reply<EngineInfo>> {
  const info = parseReply(await rawOf(docker.info()), infoSchema, 'GET /info');
  if (!info.ok) return info;
  handlers.update(info.value.Runtimes);
  const [version, network, list, swarm] = await Promise.all([
    readVersion(),
    rawOf(docker.getNetwork('bridge').inspect()),
    rawOf(docker.listImages()),
    readSwarm(docker, info.value),
  ]);
  const bridge = observeReply(parseReply(network, networkSchema, 'GET /networks/bridge'));
  const images = observeReply(parseReply(list, imageListSchema, 'GET /images/json'));
  return mapReply(info, (value) => ({
    api: toDockerApi(value, version.ok ? version.value : undefined),
    containers: toContainerCounts(value, info.source),
    bridgeInterContainer: mapObserved(bridge, parseInterContainer),
    images: mapObserved(images, toStoredImages),
    swarm,
  }));
}

async function listContainers(docker: Docker, revisions: Revisions): Promise<Reply<readonly ListedContainer[]>> {
  const all = await readList(docker.listContainers({ all: true }), revisions, 'GET /containers/json?all=1');
  // Those that ended long ago must not hide those that run.
  return !all.ok && all.code === 'tooLarge'
    ? readList(docker.listContainers(), revisions, 'GET /containers/json')
    : all;
}

async function readList(
  answer: Promise<unknown>,
  revisions: Revisions,
  source: string,
): Promise<Reply<readonly ListedContainer[]>> {
  const raw = await rawOf(answer);
  // Podman changes containers without its service, and may be set up to report no events.
  const isDocker = raw.ok && raw.engine === 'docker';
  return mapReply(parseReply(raw, containerListSchema, source), (entries) =>
    entries.map((entry) => toListedContainer(entry, isDocker ? revisions.of(entry) : '')),
  );
}

async function readLabels(docker: Docker, id: string): ReturnType<ContainerRuntime['containerLabels']> {
  const source = `GET /containers/${clip(id, 128)}/json`;
  const reply = parseReply(await named(id, (encoded) => docker.getContainer(encoded).inspect()), labelsSchema, source);
  if (!reply.ok) return reply;
  const { Labels } = reply.value.Config;
  if (Labels === undefined) return replyFailure('tooLarge', 'the description of the container exceeds 1 MiB', source);
  return parseLabels(Labels ?? {}, source);
}

async function inspectImage(docker: Docker, id: string): Promise<Reply<ImageFact>> {
  const [inspected, history] = await Promise.all([
    named(id, (name) => docker.getImage(name).inspect()),
    named(id, (name) => docker.getImage(name).history()),
  ]);
  const engine = inspected.ok ? inspected.engine : 'docker';
  const steps = observeReply(parseReply(history, historySchema, `GET /images/${clip(id, 128)}/history`));
  const image = parseReply(inspected, imageSchema, `GET /images/${clip(id, 128)}/json`);
  return mapReply(image, (value) => ({ ...toImage(value, engine), history: mapObserved(steps, toHistory) }));
}

function mapReply<T, U>(reply: Reply<T>, change: (value: T) => U): Reply<U> {
  return reply.ok ? { ...reply, value: change(reply.value) } : reply;
}

/** A call about a container or image; what is not a name is never sent. */
function named(name: string, call: (encoded: string) => Promise<unknown>): Promise<RawReply> {
  return NAME.test(name) && !name.includes('..')
    ? rawOf(call(encodeURIComponent(name)))
    : Promise.resolve(rawFailure('failed', 'not a name or id'));
}

/** dockerode takes any modem, which its types do not say. */
function createClient(modem: DockerModem): Docker {
  return new Docker({ modem } as Docker.DockerOptions);
}

/** dockerode hands over what its modem answers: with ours a {@link RawReply}, whatever its types say. */
function rawOf(answer: Promise<unknown>): Promise<RawReply> {
  return answer as Promise<RawReply>;
}

/** The address of the engine: a promise only where it has to be looked for. */
function locator({ endpoint, socketPath, tls }: DockerRuntimeOptions): () => EngineAddress | Promise<EngineAddress> {
  const address = parseEndpoint(endpoint);
  if (address === undefined) return () => Promise.reject(new Error(`not an endpoint of Docker: ${endpoint}`));
  if (address.kind === 'tcp') {
    let loaded: EngineAddress | undefined = tls === undefined ? address : undefined;
    const load = async (): Promise<EngineAddress> => (loaded = parseEndpoint(endpoint, await tls?.()) ?? address);
    return () => loaded ?? load();
  }
  if (socketPath === undefined) return () => address;
  let located = address;
  return async () => {
    const path = await socketPath();
    // The same object as long as it is the same path: connections are kept by address.
    if (located.path !== path) located = { kind: 'unix', path };
    return located;
  };
}

/** Follows the stream of events until it is over, for whatever reason; resolves with the reason. */
async function followEvents(
  { docker, revisions }: { readonly docker: Docker; readonly revisions: Revisions },
  onEvent: (event: RuntimeEvent) => void,
  signal: AbortSignal,
): Promise<string> {
  let stream: NodeJS.ReadableStream;
  try {
    const parameters = { ...eventParameters(Date.now()), abortSignal: signal };
    stream = await docker.getEvents(parameters as Docker.GetEventsOptions);
  } catch (error) {
    return failureFromConnection(error).reason;
  }
  const followed = revisions.open();
  const lines = createEventLines((event) => {
    followed.onEvent(event);
    if (!signal.aborted) onEvent(event);
  });
  try {
    for await (const part of stream) {
      followed.onBytes(part as Buffer);
      const problem = lines.push(part as Buffer);
      // Leaving the loop closes the connection.
      if (problem !== undefined) return problem;
    }
    return 'the engine ended the event stream';
  } catch (error) {
    return failureFromConnection(error).reason;
  } finally {
    followed.close();
  }
}
