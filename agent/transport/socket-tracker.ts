import type { Socket } from 'node:net';
import type { ChannelCredentials } from '@grpc/grpc-js';

/**
 * Remembers the sockets that a client of grpc-js makes with `credentials`; what is returned destroys them. grpc-js shows
 * its sockets to nobody, and a client that is closed during a handshake goes on with it: behind a collector that takes
 * connections and says nothing, each attempt would leave one behind.
 */
export function trackSockets(credentials: ChannelCredentials): () => void {
  const sockets = new Set<Socket>();
  let isOver = false;
  const createConnector = credentials._createSecureConnector.bind(credentials);
  credentials._createSecureConnector = (...args) => {
    const connector = createConnector(...args);
    const connect = connector.connect.bind(connector);
    connector.connect = (socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      if (isOver) socket.destroy();
      return connect(socket);
    };
    return connector;
  };
  return () => {
    isOver = true;
    for (const socket of sockets) socket.destroy();
  };
}
