import type { Socket } from 'node:net';

/**
 * Limits the unauthenticated connections of one port. At the limit the oldest of the network with most connections is
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
  readonly network: string;
  /** How many hold it. */
  held: number;
}

/** A limit of `max` unauthenticated connections. `onClose` is called with the address of each that is closed. */
export function createConnectionLimit(max: number, onClose: (address: string) => void): ConnectionLimit {
  /** Connections that no request holds, oldest first; the age of one that was held counts from its release. */
  const idle = new Map<Socket, Connection>();
  /** The idle connections that were never held, by network. */
  const unknown = new Map<string, Set<Connection>>();
  /** By the address and port of the peer, which a socket and TLS over it have in common. */
  const all = new Map<string, Connection>();
  const leave = (connection: Connection): void => {
    idle.delete(connection.socket);
    const own = unknown.get(connection.network);
    if (own?.delete(connection) === true && own.size === 0) unknown.delete(connection.network);
  };
  const makeRoom = (newest: Connection): void => {
    if (idle.size <= max) return;
    const victim = first(largest(unknown), newest) ?? first(idle.values(), newest) ?? newest;
    leave(victim);
    victim.socket.destroy();
    onClose(victim.address);
  };
  return {
    add: (socket) => {
      const { remoteAddress: address = '' } = socket;
      const connection = { socket, address, network: networkOf(address), held: 0 };
      const peer = peerOf(socket);
      all.set(peer, connection);
      idle.set(socket, connection);
      unknown.set(connection.network, (unknown.get(connection.network) ?? new Set()).add(connection));
      socket.once('close', () => {
        leave(connection);
        if (all.get(peer) === connection) all.delete(peer);
      });
      makeRoom(connection);
    },
    hold: (given) => {
      const connection = all.get(peerOf(given));
      if (connection === undefined) return () => undefined;
      connection.held += 1;
      leave(connection);
      return () => {
        connection.held -= 1;
        if (connection.held > 0 || connection.socket.destroyed) return;
        idle.set(connection.socket, connection);
        makeRoom(connection);
      };
    },
  };
}

/** The address and port of the other end, which a socket and TLS over it have in common. */
export function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress ?? ''} ${String(remotePort)}`;
}

/**
 * The network of an address: an IPv4 address itself, the first 64 bits of an IPv6 address, since one host has as
 * many addresses in its network as it likes. Addresses as the operating system writes them.
 */
export function networkOf(address: string): string {
  const [plain = ''] = address.split('%');
  if (plain.includes('.')) return plain.slice(plain.lastIndexOf(':') + 1);
  const [head = [], tail = []] = plain.split('::').map((half) => half.split(':').filter((group) => group !== ''));
  const zeros = Array.from({ length: Math.max(0, 8 - head.length - tail.length) }, () => '0');
  return [...head, ...zeros, ...tail].slice(0, 4).join(':');
}

/** The connections of the network that has most of them, the oldest first. */
function largest(byNetwork: ReadonlyMap<string, ReadonlySet<Connection>>): Iterable<Connection> {
  let most: ReadonlySet<Connection> = new Set();
  for (const own of byNetwork.values()) if (own.size > most.size) most = own;
  return most;
}

function first(connections: Iterable<Connection>, not: Connection): Connection | undefined {
  for (const connection of connections) if (connection !== not) return connection;
  return undefined;
}
