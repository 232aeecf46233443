import Docker from 'dockerode';
import { createEventLines, eventParameters } from './events.ts';
import { createDockerModem } from './modem.ts';
import type { DockerModem } from './modem.ts';
import { parseEndpoint } from './engine-address.ts';
import type { EngineAddress, EngineTls } from './engine-address.ts';
import { failureFromConnection, parsedReply, replyFailure } from './reply.ts';
import type { ContainerRuntime, Reply, RuntimeEvent, TextReply } from '../runtime.ts';

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
}

const DEFAULT_TIMEOUT_MS = 5000;
const DEFAULT_MAX_BYTES = 8 * 1024 * 1024;

// Ids, names and image references (distribution/reference grammar). Anything else in a URL is not a name.
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.:@/-]{0,511}$/;

/** A Docker engine, asked through dockerode over {@link DockerModem}. Ask at most 8 things at a time. */
export function createDockerRuntime(options: DockerRuntimeOptions): ContainerRuntime {
  const { endpoint, timeoutMs = DEFAULT_TIMEOUT_MS, maxBytes = DEFAULT_MAX_BYTES } = options;
  const docker = createClient(createDockerModem(locator(options), { timeoutMs, maxBytes }));
  const named = (name: string, ask: (encoded: string) => Promise<unknown>): Promise<TextReply> =>
    NAME.test(name) && !name.includes('..')
      ? textOf(ask(encodeURIComponent(name)))
      : Promise.resolve(replyFailure('failed', 'not a name or id'));
  const parsed = async (text: Promise<TextReply>): Promise<Reply> => parsedReply(await text);

  return {
    endpoint,
    info: () => parsed(textOf(docker.info())),
    version: () => parsed(textOf(docker.version())),
    listContainers: async () => {
      const all = await parsed(textOf(docker.listContainers({ all: true })));
      // Those that ended long ago must not hide those that run.
      return !all.ok && all.code === 'tooLarge' ? parsed(textOf(docker.listContainers())) : all;
    },
    inspectContainer: (id) => named(id, (name) => docker.getContainer(name).inspect()),
    inspectImage: (id) => parsed(named(id, (name) => docker.getImage(name).inspect())),
    imageHistory: (id) => parsed(named(id, (name) => docker.getImage(name).history())),
    inspectNetwork: (name) => parsed(named(name, (encoded) => docker.getNetwork(encoded).inspect())),
    events: (onEvent, onEnd, signal) => {
      const follow = async (): Promise<void> => {
        const reason = await followEvents(docker, onEvent, signal);
        if (!signal.aborted) onEnd(reason);
      };
      void follow();
    },
  };
}

/** dockerode takes any modem, which its types do not say. */
function createClient(modem: DockerModem): Docker {
  return new Docker({ modem } as Docker.DockerOptions);
}

/** dockerode hands over what its modem answers: with ours a {@link TextReply}, whatever its types say. */
function textOf(answer: Promise<unknown>): Promise<TextReply> {
  return answer as Promise<TextReply>;
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
  docker: Docker,
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
  const lines = createEventLines((event) => {
    if (!signal.aborted) onEvent(event);
  });
  try {
    for await (const part of stream) {
      const problem = lines.push(part as Buffer);
      // Leaving the loop closes the connection.
      if (problem !== undefined) return problem;
    }
    return 'the engine ended the event stream';
  } catch (error) {
    return failureFromConnection(error).reason;
  }
}
