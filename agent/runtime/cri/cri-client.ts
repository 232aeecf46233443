import { connect } from 'node:net';
import { Client, connectivityState, credentials, status as codes } from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import { trackSockets } from '../../../service/grpc-internals.ts';
import type { CriMethod } from '../../../proto/cri.ts';
import { clipMessage, failureFromConnection, rawFailure } from '../connection-failure.ts';
import type { RawFailure } from '../connection-failure.ts';
import type { Reply } from '../runtime.ts';

/** Versions of the API, in the order in which they are tried. Kubernetes before 1.26 and its runtimes have the second. */
const API_VERSIONS = ['v1', 'v1alpha2'] as const;
type ApiVersion = (typeof API_VERSIONS)[number];

/** The decoded response to a call, or why it failed. */
export type CriResult<T> = { readonly ok: true; readonly value: T } | RawFailure;

/** Calls the CRI of one runtime. */
export interface CriClient {
  /** One call; never rejects, and ends at the deadline. */
  readonly call: <Request, Response>(
    method: CriMethod<Request, Response>,
    request: Request,
  ) => Promise<CriResult<Response>>;
  /**
   * A call whose response is a stream; `onEnd` is called once, unless the signal aborts. `isServed`: whether the runtime
   * knows the method.
   */
  readonly stream: (call: StreamCall) => Promise<void>;
}

/** A call with a stream of messages as its response. */
export interface StreamCall {
  /** `/PACKAGE.SERVICE/METHOD` */
  readonly target: string;
  readonly request: Uint8Array;
  readonly onMessage: (bytes: Buffer) => void;
  readonly onEnd: (end: { readonly isServed: boolean; readonly reason: string }) => void;
  readonly signal: AbortSignal;
}

/** One call of a client, with its source. `subject`: what it asks about, for the source. */
export type CriCall = <Request, Response>(
  method: CriMethod<Request, Response>,
  request: Request,
  subject?: string,
) => Promise<Reply<Response>>;

/** Where the runtime is, and the bounds of a call. */
export interface CriClientOptions {
  /** Path of the socket in this mount namespace. Called for each call. */
  readonly socketPath: () => string | Promise<string>;
  readonly timeoutMs: number;
  /** Of one response. */
  readonly maxBytes: number;
}

/** A connection, kept for as long as calls on it succeed. */
interface Connection {
  readonly path: string;
  readonly client: Client;
  readonly close: () => void;
}

/** A client that connects with the first call, and again after a failure. */
export function createCriClient({ socketPath, timeoutMs, maxBytes }: CriClientOptions): CriClient {
  let connection: Connection | undefined;
  let version: ApiVersion = API_VERSIONS[0];
  const disconnect = (failed: Connection): void => {
    failed.close();
    if (connection === failed) connection = undefined;
  };
  const connect = async (): Promise<Connection> => {
    const path = await socketPath();
    if (connection !== undefined && connection.path !== path) disconnect(connection);
    return (connection ??= openConnection(path, maxBytes));
  };
  const send = async (target: string, request: Uint8Array): Promise<Buffer | ServiceError> => {
    const current = await connect();
    const answer = await unary(current.client, { target, request, timeoutMs });
    // grpc-js waits longer after each failed attempt to connect, and goes on with one that never ends. An established
    // connection is kept: one container about which the runtime is silent must not end the calls about others.
    if (!Buffer.isBuffer(answer) && current.client.getChannel().getConnectivityState(false) !== connectivityState.READY)
      disconnect(current);
    return answer;
  };
  return {
    call: async (method, request) => {
      const bytes = method.encode(request);
      // The runtime may have been replaced by an older or newer one since the last call.
      for (const candidate of [version, ...API_VERSIONS.filter((other) => other !== version)]) {
        const answer = await send(`/runtime.${candidate}.${method.service}/${method.name}`, bytes);
        if (!Buffer.isBuffer(answer) && answer.code === codes.UNIMPLEMENTED) continue;
        version = candidate;
        return Buffer.isBuffer(answer) ? decode(method, answer) : toFailure(answer, await socketPath());
      }
      return rawFailure('malformed', 'no version of the Container Runtime Interface is served here');
    },
    stream: async ({ target, request, onMessage, onEnd, signal }) => {
      const { client } = await connect();
      if (signal.aborted) return;
      const call = client.makeServerStreamRequest(target, toBuffer, (bytes: Buffer) => bytes, request);
      const cancel = (): void => call.cancel();
      signal.addEventListener('abort', cancel);
      call.on('data', (bytes: Buffer) => {
        if (!signal.aborted) onMessage(bytes);
      });
      // The status says the same.
      call.on('error', () => undefined);
      call.on('status', ({ code, details }) => {
        signal.removeEventListener('abort', cancel);
        const reason = clipMessage(details) || `gRPC status ${String(code)}`;
        if (!signal.aborted) onEnd({ isServed: code !== codes.UNIMPLEMENTED, reason });
      });
    },
  };
}

function openConnection(path: string, maxBytes: number): Connection {
  const insecure = credentials.createInsecure();
  const destroySockets = trackSockets(insecure);
  const client = new Client(`unix:${path}`, insecure, {
    'grpc.max_receive_message_length': maxBytes,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.enable_http_proxy': 0,
  });
  const close = (): void => {
    client.close();
    destroySockets();
  };
  return { path, client, close };
}

function toBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

interface UnaryCall {
  readonly target: string;
  readonly request: Uint8Array;
  readonly timeoutMs: number;
}

function unary(client: Client, { target, request, timeoutMs }: UnaryCall): Promise<Buffer | ServiceError> {
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      target,
      toBuffer,
      (bytes: Buffer) => bytes,
      request,
      { deadline: Date.now() + timeoutMs },
      (error, value) => resolve(error ?? value ?? Buffer.alloc(0)),
    );
  });
}

function decode<T>(method: CriMethod<never, T>, bytes: Buffer): CriResult<T> {
  try {
    return { ok: true, value: method.decode(bytes) };
  } catch (error) {
    return rawFailure('malformed', `the response is not understood: ${clipMessage((error as Error).message)}`);
  }
}

async function toFailure({ code, details }: ServiceError, path: string): Promise<RawFailure> {
  // The text of the status may come from the runtime: whether it is there at all, the kernel says.
  const unreachable = code === codes.UNAVAILABLE ? await connectionFailure(path) : undefined;
  if (unreachable !== undefined) return unreachable;
  return rawFailure(FAILURES.get(code) ?? 'failed', clipMessage(details) || `gRPC status ${String(code)}`);
}

const FAILURES: ReadonlyMap<number, RawFailure['code']> = new Map([
  [codes.NOT_FOUND, 'notFound'],
  [codes.DEADLINE_EXCEEDED, 'timeout'],
  [codes.RESOURCE_EXHAUSTED, 'tooLarge'],
  [codes.PERMISSION_DENIED, 'denied'],
  [codes.UNAUTHENTICATED, 'denied'],
]);

/** Why nothing can be reached at a socket; undefined: somebody listens there. */
function connectionFailure(path: string): Promise<RawFailure | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.on('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.on('error', (error) => resolve(failureFromConnection(error)));
  });
}

/** A full backlog of the socket. */
const CONNECT_TIMEOUT_MS = 1000;
