import type { Socket } from 'node:net';
import type { Server, TLSSocket } from 'node:tls';
import type { ConnectionLimit } from './connection-limit.ts';
import { createHandshakeQueue } from './handshake-queue.ts';
import type { HandshakeQueueOptions } from './handshake-queue.ts';

/** What the handshakes of a server are bounded with. */
export interface HandshakeGuardOptions extends Pick<HandshakeQueueOptions, 'clock' | 'helloTimeoutMs'> {
  readonly connections: ConnectionLimit;
}

/**
 * Puts a limit of connections and a queue of handshakes before those of a TLS server that listens itself: networks take
 * turns, and none waits for a peer that says nothing. To be called before the server listens.
 */
export function guardHandshakes(server: Server, { connections, ...options }: HandshakeGuardOptions): void {
  // The listener of node:tls starts the handshake as soon as a connection is accepted.
  const begin = server.listeners('connection');
  server.removeAllListeners('connection');
  const handshakes = createHandshakeQueue({
    ...options,
    start: (socket) => {
      for (const listener of begin) Reflect.apply(listener, server, [socket]);
    },
  });
  server.on('connection', (socket: Socket) => {
    connections.add(socket);
    handshakes.add(socket);
  });
  server.on('secureConnection', (socket: TLSSocket) => handshakes.complete(socket));
}
