import type { Socket } from 'node:net';
import type { ChannelCredentials } from '@grpc/grpc-js';

/** The sockets of one client. */
export interface ObservedConnections {
  readonly credentials: ChannelCredentials;
  /** Resolves once a connection that was secured is closed, by whichever side. */
  readonly lost: Promise<void>;
  /** Cuts all of them, also what is still being set up. */
  readonly destroy: () => void;
}

/**
 * Sees the sockets that grpc-js makes with `credentials`, which it shows to nobody. They are needed twice: of a
 * connection that breaks while a write is under way Node's HTTP/2 does not always tell its streams, and a call would
 * then wait for ever on a socket that is gone; and a client that is closed while it connects goes on connecting.
 */
export function observeConnections(credentials: ChannelCredentials): ObservedConnections {
  const sockets = new Set<Socket>();
  const lost = Promise.withResolvers<void>();
  let isOver = false;
  const keep = (socket: Socket): void => {
    if (isOver) return void socket.destroy();
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  };
  const createConnector = credentials._createSecureConnector.bind(credentials);
  credentials._createSecureConnector = (...args) => {
    const connector = createConnector(...args);
    const connect = connector.connect.bind(connector);
    connector.connect = async (socket) => {
      keep(socket);
      const secured = await connect(socket);
      keep(secured.socket);
      secured.socket.once('close', lost.resolve);
      return secured;
    };
    return connector;
  };
  return {
    credentials,
    lost: lost.promise,
    destroy: () => {
      isOver = true;
      for (const socket of sockets) socket.destroy();
    },
  };
}
