import { eventQuery, readEvents } from './docker-events.ts';
import { openTransport } from './docker-transport.ts';
import { failureFromConnection, readReply, replyFailure } from './reply.ts';
import type { IncomingMessage } from 'node:http';
import type { Transport } from './docker-transport.ts';
import type { ContainerRuntime, Reply, RuntimeEvent } from './runtime.ts';

/** Which engine, and how patient to be with it. */
export interface DockerRuntimeOptions {
  /** `unix:///var/run/docker.sock`; nothing else is spoken to. */
  readonly endpoint: string;
  /** For one call, and for the event stream to begin; default 5,000. */
  readonly timeoutMs?: number | undefined;
  /** Of one answer; default 8 MiB. */
  readonly maxBytes?: number | undefined;
  /** Where the socket stands here, where that is not the path of the endpoint: under a host root. Asked at each call. */
  readonly socketPath?: (() => Promise<string>) | undefined;
}

const DEFAULT_TIMEOUT_MS = 5000;
const DEFAULT_MAX_BYTES = 8 * 1024 * 1024;
const UNIX = 'unix://';

// Ids, names and image references (distribution/reference grammar). What else goes into a URL is no name.
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.:@/-]{0,511}$/;

/** A Docker engine asked over its unix socket. Every call is a connection of its own: call at most 8 at a time. */
export function createDockerRuntime(options: DockerRuntimeOptions): ContainerRuntime {
  const { endpoint, timeoutMs = DEFAULT_TIMEOUT_MS, maxBytes = DEFAULT_MAX_BYTES } = options;
  const connect = connector(endpoint, timeoutMs, options.socketPath);

  const get = (path: string): Promise<Reply> =>
    within(timeoutMs, async (onResponse) => {
      const transport = await connect();
      const response = await transport(path);
      onResponse(response);
      return readReply(response, maxBytes);
    });
  const getNamed = (name: string, path: (encoded: string) => string): Promise<Reply> =>
    NAME.test(name) && !name.includes('..')
      ? get(path(encodeURIComponent(name)))
      : Promise.resolve(replyFailure('failed', 'not a name or id'));

  return {
    endpoint,
    info: () => get('/info'),
    version: () => get('/version'),
    listContainers: () => get('/containers/json'),
    inspectContainer: (id) => getNamed(id, (name) => `/containers/${name}/json`),
    inspectImage: (id) => getNamed(id, (name) => `/images/${name}/json`),
    imageHistory: (id) => getNamed(id, (name) => `/images/${name}/history`),
    inspectNetwork: (name) => getNamed(name, (encoded) => `/networks/${encoded}`),
    events: (onEvent, onEnd, signal) => {
      const follow = async (): Promise<void> => {
        const reason = await followEvents(connect, onEvent, signal);
        if (!signal.aborted) onEnd(reason);
      };
      void follow();
    },
  };
}

/** Opens the transport at the first call, and again when the socket is found at another place. */
function connector(
  endpoint: string,
  timeoutMs: number,
  socketPath: (() => Promise<string>) | undefined,
): () => Promise<Transport> {
  let opened: { readonly path: string; readonly transport: Promise<Transport> } | undefined;
  return async () => {
    if (!endpoint.startsWith(`${UNIX}/`)) throw new Error(`not a unix socket: ${endpoint}`);
    const path = socketPath === undefined ? endpoint.slice(UNIX.length) : await socketPath();
    if (opened?.path !== path) opened = { path, transport: openTransport(path, timeoutMs) };
    return opened.transport;
  };
}

async function followEvents(
  connect: () => Promise<Transport>,
  onEvent: (event: RuntimeEvent) => void,
  signal: AbortSignal,
): Promise<string> {
  const sinceMs = Date.now();
  let response: IncomingMessage;
  try {
    const transport = await connect();
    response = await transport('/events', eventQuery(sinceMs));
  } catch (error) {
    return failureFromConnection(error).reason;
  }
  const stop = (): void => void response.destroy();
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  try {
    if (response.statusCode !== 200) {
      stop();
      return `HTTP ${String(response.statusCode)}`;
    }
    return await readEvents(response, (event) => {
      if (!signal.aborted) onEvent(event);
    });
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Runs one exchange; after the deadline answers `timeout` and closes the connection. */
async function within(
  timeoutMs: number,
  exchange: (onResponse: (response: IncomingMessage) => void) => Promise<Reply>,
): Promise<Reply> {
  const deadline = Promise.withResolvers<Reply>();
  let response: IncomingMessage | undefined;
  let isOver = false;
  const timer = setTimeout(() => {
    isOver = true;
    response?.destroy();
    deadline.resolve(replyFailure('timeout', `no answer within ${String(timeoutMs)} ms`));
  }, timeoutMs);
  const work = exchange((arrived) => {
    response = arrived;
    if (isOver) arrived.destroy();
  }).catch(failureFromConnection);
  try {
    return await Promise.race([deadline.promise, work]);
  } finally {
    clearTimeout(timer);
  }
}
