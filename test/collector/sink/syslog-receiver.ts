import { once } from 'node:events';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { TlsOptions } from 'node:tls';
import type { OcsfEvent } from '../../../collector/event/ocsf/ocsf.ts';
import { frameReader, parseMessage } from './rfc5424.ts';
import { uidOf } from './events.ts';

/** How a receiver behaves towards one connection. */
export type Behaviour =
  /** Reads to the end, then ends its side. */
  | 'reads'
  /** Accepts and never reads: what comes stays in its buffers. */
  | 'stalls'
  /** Reads, but never answers the end of the other side. */
  | 'never-ends'
  /** Hangs up at once, in order. */
  | 'hangs-up'
  /** Reads to the end, but no more than `SLOW_BYTES` in each `SLOW_MS`. */
  | 'reads-slowly';

/** How fast a slow receiver reads. */
export const SLOW_BYTES = 32 * 1024;
/** See {@link SLOW_BYTES}. */
export const SLOW_MS = 25;

/** A receiver of syslog in this process. */
export interface SyslogReceiver {
  readonly port: number;
  /** OCSF events, in the order in which they came. */
  readonly received: () => readonly OcsfEvent[];
  readonly uids: () => readonly string[];
  readonly connections: () => number;
  readonly behave: (next: Behaviour) => void;
  /** Called with each event that was read; may call `reset`. */
  readonly onEvent: (run: (count: number) => void) => void;
  /** Breaks off all connections (RST): what was sent and not read is gone. */
  readonly reset: () => void;
  /** Ends all connections from this side, in order. */
  readonly hangUp: () => void;
  /** Stops to listen, and breaks off all connections. */
  readonly stop: () => Promise<void>;
  /** Listens on the same port again. */
  readonly start: () => Promise<void>;
}

/** Starts one on the loopback address. */
export async function startSyslogReceiver(tls?: TlsOptions): Promise<SyslogReceiver> {
  const received: OcsfEvent[] = [];
  const sockets = new Set<Socket>();
  let server: Server | undefined;
  let port = 0;
  let connections = 0;
  let behaviour: Behaviour = 'reads';
  let onEvent: (count: number) => void = () => undefined;
  const accept = (socket: Socket): void => {
    socket.on('error', () => undefined);
    if (behaviour === 'hangs-up') return void socket.end();
    if (behaviour === 'stalls') return void socket.pause();
    const read = frameReader();
    const isSlow = behaviour === 'reads-slowly';
    if (isSlow) readSlowly(socket);
    socket.on('data', (chunk) => {
      if (socket.destroyed) return;
      for (const message of read(chunk)) {
        received.push(JSON.parse(parseMessage(message).text) as OcsfEvent);
        onEvent(received.length);
      }
    });
    if (behaviour === 'reads' || isSlow) socket.on('end', () => socket.end());
  };
  const reset = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  const start = async (): Promise<void> => {
    const options = { allowHalfOpen: true };
    server = tls === undefined ? createTcpServer(options, accept) : createTlsServer({ ...options, ...tls }, accept);
    // A connection that fails in its handshake is no concern of the test's receiver.
    server.on('tlsClientError', () => undefined);
    // Below TLS: only there a connection can be broken off.
    server.on('connection', (socket: Socket) => {
      connections += 1;
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      socket.on('error', () => undefined);
    });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  };
  await start();
  return {
    port,
    received: () => received,
    uids: () => received.map(uidOf),
    connections: () => connections,
    behave: (next) => void (behaviour = next),
    onEvent: (run) => void (onEvent = run),
    reset,
    hangUp: () => {
      for (const socket of sockets) socket.end();
    },
    stop: async () => {
      if (server === undefined) return;
      const closed = once(server, 'close');
      server.close();
      server = undefined;
      reset();
      await closed;
    },
    start,
  };
}

/** After each chunk of at most 64 KiB the socket rests for as long as a slow receiver needs for it. */
function readSlowly(socket: Socket): void {
  socket.on('data', (chunk: Buffer) => {
    socket.pause();
    setTimeout(() => socket.resume(), (chunk.length / SLOW_BYTES) * SLOW_MS);
  });
}
