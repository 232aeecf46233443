import type { Socket } from 'node:net';

/**
 * Limits the unauthenticated connections of one port. At the limit the oldest of the address with most connections is
 * closed, so that a new one is always accepted: idle and slow peers cannot keep others out.
 */
export interface ConnectionLimit {
  /** Adds a connection that was just accepted. */
  readonly add: (socket: Socket) => void;
  /**
   * The peer has authenticated: the connection is kept until the result is called, and closed after others later. Its
   * socket, or the one that TLS runs over it.
   */
  readonly hold: (socket: Socket) => () => void;
}

interface Connection {
  readonly socket: Socket;
  readonly address: string;
  /** How many hold it. */
  held: number;
  /** Somebody has held it. */
  known: boolean;
}

/** A limit of `max` unauthenticated connections. `onClose` is called with the address of each that is closed. */
export function createConnectionLimit(max: number, onClose: (address: string) => void): ConnectionLimit {
  /** Nobody holds these, the oldest first; of those that were held, since they were released. */
  const idle = new Map<Socket, Connection>();
  /** By the address and port of the peer, which a socket and TLS over it have in common. */
  const all = new Map<string, Connection>();
  const makeRoom = (newest: Connection): void => {
    if (idle.size <= max) return;
    const { socket, address } = victimOf([...idle.values()].filter((one) => one !== newest)) ?? newest;
    idle.delete(socket);
    socket.destroy();
    onClose(address);
  };
  return {
    add: (socket) => {
      const connection = { socket, address: socket.remoteAddress ?? '', held: 0, known: false };
      const peer = peerOf(socket);
      all.set(peer, connection);
      idle.set(socket, connection);
      socket.once('close', () => {
        idle.delete(socket);
        if (all.get(peer) === connection) all.delete(peer);
      });
      makeRoom(connection);
    },
    hold: (given) => {
      const connection = all.get(peerOf(given));
      if (connection === undefined) return () => undefined;
      connection.held += 1;
      connection.known = true;
      idle.delete(connection.socket);
      return () => {
        connection.held -= 1;
        if (connection.held > 0 || connection.socket.destroyed) return;
        idle.set(connection.socket, connection);
        makeRoom(connection);
      };
    },
  };
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress ?? ''} ${String(remotePort)}`;
}

/** The oldest of the address with most connections that never authenticated; where all did, the oldest. */
function victimOf(idle: readonly Connection[]): Connection | undefined {
  const unknown = idle.filter(({ known }) => !known);
  const counts = new Map<string, number>();
  for (const { address } of unknown) counts.set(address, (counts.get(address) ?? 0) + 1);
  const most = Math.max(...counts.values());
  return unknown.find(({ address }) => counts.get(address) === most) ?? idle[0];
}
