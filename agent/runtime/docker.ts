import { createEventLines, eventQuery } from './docker-events.ts';
import { createTransport } from './docker-transport.ts';
import { createBody, failureFromConnection, parsedReply, replyFailure, textReply } from './reply.ts';
import type { Transport } from './docker-transport.ts';
import type { ContainerRuntime, Reply, RuntimeEvent, TextReply } from './runtime.ts';

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

/** A Docker engine asked over its unix socket. Calls at the same time use a connection each: at most 8 at a time. */
export function createDockerRuntime(options: DockerRuntimeOptions): ContainerRuntime {
  const { endpoint, timeoutMs = DEFAULT_TIMEOUT_MS, maxBytes = DEFAULT_MAX_BYTES } = options;
  const connect = connector(endpoint, options.socketPath);

  const limits = { timeoutMs, maxBytes };
  const getText = (path: string): Promise<TextReply> => {
    const connected = connect();
    // Hundreds ask in a row: where the transport is there, no promise is waited for.
    if (!(connected instanceof Promise)) return ask(connected, path, limits);
    return connected.then((transport) => ask(transport, path, limits), failureFromConnection);
  };
  const getNamedText = (name: string, path: (encoded: string) => string): Promise<TextReply> =>
    NAME.test(name) && !name.includes('..')
      ? getText(path(encodeURIComponent(name)))
      : Promise.resolve(replyFailure('failed', 'not a name or id'));
  const get = async (path: string): Promise<Reply> => parsedReply(await getText(path));
  const getNamed = async (name: string, path: (encoded: string) => string): Promise<Reply> =>
    parsedReply(await getNamedText(name, path));

  return {
    endpoint,
    info: () => get('/info'),
    version: () => get('/version'),
    listContainers: () => get('/containers/json'),
    inspectContainer: (id) => getNamedText(id, (name) => `/containers/${name}/json`),
    inspectImage: (id) => getNamed(id, (name) => `/images/${name}/json`),
    imageHistory: (id) => getNamed(id, (name) => `/images/${name}/history`),
    inspectNetwork: (name) => getNamed(name, (encoded) => `/networks/${encoded}`),
    events: (onEvent, onEnd, signal) => {
      const follow = async (): Promise<void> => {
        const reason = await followEvents(connect, { onEvent, signal, timeoutMs });
        if (!signal.aborted) onEnd(reason);
      };
      void follow();
    },
  };
}

/**
 * Makes the transport at the first call, and again when the socket is found at another place. A promise where it has to
 * be looked for; one that rejects for an endpoint that is none.
 */
function connector(
  endpoint: string,
  socketPath: (() => Promise<string>) | undefined,
): () => Transport | Promise<Transport> {
  let opened: { readonly path: string; readonly transport: Transport } | undefined;
  const openAt = (path: string): Transport => {
    if (opened?.path !== path) opened = { path, transport: createTransport(path) };
    return opened.transport;
  };
  return () => {
    if (!endpoint.startsWith(`${UNIX}/`)) return Promise.reject(new Error(`not a unix socket: ${endpoint}`));
    return socketPath === undefined ? openAt(endpoint.slice(UNIX.length)) : socketPath().then(openAt);
  };
}

interface Limits {
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

/** One exchange; after the deadline it answers `timeout`, and beyond the bound `tooLarge`, and the connection goes. */
function ask(transport: Transport, path: string, { timeoutMs, maxBytes }: Limits): Promise<TextReply> {
  return new Promise((resolve) => {
    const body = createBody(maxBytes);
    let status = 0;
    const finish = (reply: TextReply): void => {
      clearTimeout(timer);
      resolve(reply);
    };
    const giveUp = (reply: TextReply): void => {
      stop();
      finish(reply);
    };
    const timer = setTimeout(
      () => giveUp(replyFailure('timeout', `no answer within ${String(timeoutMs)} ms`)),
      timeoutMs,
    );
    const stop = transport.get(path, {
      onHead: (told) => {
        status = told;
      },
      onBody: (part) => {
        if (!body.add(part)) giveUp(replyFailure('tooLarge', `the answer has more than ${String(maxBytes)} bytes`));
      },
      onEnd: () => finish(textReply(status, body.bytes())),
      onError: (error) => finish(failureFromConnection(error)),
    });
  });
}

interface Following {
  readonly onEvent: (event: RuntimeEvent) => void;
  readonly signal: AbortSignal;
  /** For the stream to begin. */
  readonly timeoutMs: number;
}

/** Follows the stream of events until it is over, for whatever reason; resolves with the reason. */
async function followEvents(connect: () => Transport | Promise<Transport>, following: Following): Promise<string> {
  const path = `/events?${new URLSearchParams(eventQuery(Date.now())).toString()}`;
  try {
    return await follow(await connect(), path, following);
  } catch (error) {
    return failureFromConnection(error).reason;
  }
}

function follow(transport: Transport, path: string, { onEvent, signal, timeoutMs }: Following): Promise<string> {
  return new Promise((resolve) => {
    const lines = createEventLines((event) => {
      if (!signal.aborted) onEvent(event);
    });
    const finish = (reason: string): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      resolve(reason);
    };
    const giveUp = (reason: string): void => {
      stop();
      finish(reason);
    };
    const abort = (): void => giveUp('no longer followed');
    const timer = setTimeout(() => giveUp(`no answer within ${String(timeoutMs)} ms`), timeoutMs);
    const stop = transport.get(path, {
      onHead: (status) => {
        clearTimeout(timer);
        if (status !== 200) giveUp(`HTTP ${String(status)}`);
      },
      onBody: (part) => {
        const problem = lines.push(part);
        if (problem !== undefined) giveUp(problem);
      },
      onEnd: () => finish('the engine ended the event stream'),
      onError: (error) => finish(failureFromConnection(error).reason),
    });
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
  });
}
