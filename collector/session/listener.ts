import { once } from 'node:events';
import { createServer as createTcpServer } from 'node:net';
import type { Socket } from 'node:net';
import { createServer } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { MAX_MESSAGE_BYTES } from '../../proto/fleet.ts';
import type { Clock } from '../../service/clock.ts';
import { formatAddress } from '../../service/config/kind.ts';
import type { Address } from '../../service/config/kind.ts';
import type { Logger } from '../../service/log.ts';
import { parseCertificates } from '../../service/tls/pem-file.ts';
import type { ListenerTls } from '../tls/tls-keeper.ts';
import { createConnectionLimit } from '../../service/connection-limit.ts';
import { createHandshakeQueue } from '../../service/handshake-queue.ts';
import { nodeIdentity } from '../../service/tls/node-identity.ts';
import type { SessionSettings } from './settings.ts';
import { SESSION_SERVICE } from './wire.ts';
import type { SessionCall } from './wire.ts';

/** What a listener needs. */
export interface ListenerOptions {
  /** Port 0 takes a free one. */
  readonly listen: Address;
  readonly tls: Omit<ListenerTls, 'serverCa'>;
  readonly settings: SessionSettings;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onSession: (call: SessionCall) => void;
  /** Peer of the connection over which a node has its session. */
  readonly sessionPeer: (nodeId: string) => string | undefined;
}

/** The open port. */
export interface Listener {
  /** `host:port` with the real port. */
  readonly address: string;
  /** Cuts the connection of this peer (`call.getPeer()`). */
  readonly disconnect: (peer: string) => void;
  /** Uses other certificates from now on, and cuts connections whose certificate no CA of `tls` has signed. */
  readonly useTls: (tls: Omit<ListenerTls, 'serverCa'>) => void;
  /** Takes no more connections. */
  readonly stop: () => void;
  /** Closes every connection. */
  readonly close: () => Promise<void>;
}

/** One session is one stream; a few more for a client that dials again over the same connection. */
const MAX_STREAMS_PER_CONNECTION = 4;
/** Connections of one node: with one more, the oldest over which it has no session is cut. */
const MAX_CONNECTIONS_PER_NODE = 4;
/**
 * Connections whose peer has not authenticated: with one more, the oldest of the network with most of them is cut. A whole
 * fleet may wait at the same time. One that waits costs 5 KiB and up to 16 KiB of what its peer has sent.
 */
const MAX_UNAUTHENTICATED = 10_000;
/**
 * Connections that the kernel holds until they are accepted; it caps this at net.core.somaxconn. Beyond it the kernel
 * ignores attempts to connect, and the peer repeats them after 1, 3, 7, 15 … seconds: with the default of Node, 511, a
 * fleet that connects all at once waits for that while the collector is idle.
 */
const BACKLOG = 4096;
/** What a peer gets to take what was written to it, before its connection is cut. */
const CLOSE_GRACE_MS = 500;
/** Memory of one HTTP/2 connection in MiB: some messages of the largest size, in both directions. */
const MAX_CONNECTION_MIB = 32;

/**
 * Opens the port: TLS 1.3, a client certificate of `tls.ca` required, then gRPC. The TLS server is our own, because
 * grpc-js sets no lowest version, no bound for connections and no deadline for handshakes. Rejects with the error of
 * the operating system if the port cannot be opened.
 */
export async function openListener({
  listen,
  tls,
  settings,
  clock,
  log,
  onSession,
  sessionPeer,
}: ListenerOptions): Promise<Listener> {
  const grpc = new Server({
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_concurrent_streams': MAX_STREAMS_PER_CONNECTION,
    'grpc.keepalive_time_ms': settings.keepaliveMs,
    'grpc.keepalive_timeout_ms': settings.keepaliveTimeoutMs,
    'grpc.max_connection_idle_ms': settings.idleConnectionMs,
    'grpc.enable_channelz': 0,
    'grpc-node.max_session_memory': MAX_CONNECTION_MIB,
  });
  grpc.addService(SESSION_SERVICE, { Session: onSession });
  const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure());
  const sockets = new Map<string, TLSSocket>();
  const unauthenticated = createConnectionLimit(MAX_UNAUTHENTICATED, (address) =>
    log.debug({ address }, 'a connection without a certificate made room for a new one'),
  );
  const server = createTcpServer();
  const tlsServer = createServer({
    ca: tls.ca,
    cert: tls.cert,
    key: tls.key,
    minVersion: 'TLSv1.3',
    requestCert: true,
    rejectUnauthorized: true,
    // Not ALPNProtocols: Node copies that list into its buffer pool for each connection, and a copy keeps 64 KiB alive.
    ALPNCallback: ({ protocols }) => (protocols.includes('h2') ? 'h2' : undefined),
    handshakeTimeout: settings.handshakeTimeoutMs,
  });
  // A node may be connecting again while its old connection is still held to be alive.
  server.maxConnections = settings.maxSessions * 2;
  const nodePeers = createNodePeers(sessionPeer, (peer) => sockets.get(peer)?.destroy());
  const handshakes = createHandshakeQueue({
    start: (socket) => tlsServer.emit('connection', socket),
    helloTimeoutMs: settings.handshakeTimeoutMs,
    clock,
  });
  server.on('connection', (socket) => {
    unauthenticated.add(socket);
    handshakes.add(socket);
  });
  tlsServer.on('secureConnection', (socket) => {
    const peer = peerOf(socket);
    handshakes.complete(socket);
    // Until it closes: connections with a certificate are limited for each node.
    unauthenticated.hold(socket);
    sockets.set(peer, socket);
    const identity = nodeIdentity(socket.getPeerX509Certificate()?.raw);
    socket.once('close', nodePeers.add(identity.ok ? identity.nodeId : '', peer));
    socket.once('close', () => sockets.delete(peer));
    socket.on('error', (error) => log.debug({ peer, error }, 'a connection failed'));
    injector.injectConnection(socket);
  });
  tlsServer.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    log.info({ peer: socket.remoteAddress, code: error.code, reason: error.message }, 'a connection was refused');
    // After some errors, a handshake that takes too long among them, Node leaves it open.
    socket.destroy();
  });
  server.listen({ port: listen.port, host: listen.host, backlog: BACKLOG });
  await once(server, 'listening');
  server.on('error', (error) => log.error({ error }, 'the port for nodes failed'));
  const closed = once(server, 'close');
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : listen.port;
  return {
    address: formatAddress({ host: listen.host, port }),
    disconnect: (peer) => sockets.get(peer)?.destroy(),
    useTls: ({ ca, cert, key }) => {
      tlsServer.setSecureContext({ ca, cert, key, minVersion: 'TLSv1.3' });
      const authorities = parseCertificates(ca);
      for (const [peer, socket] of sockets) {
        const certificate = socket.getPeerX509Certificate();
        if (certificate !== undefined && authorities.some(({ publicKey }) => certificate.verify(publicKey))) continue;
        log.warn({ peer }, 'a connection is cut: the CA of its certificate is not trusted any more');
        socket.destroy();
      }
    },
    stop: () => void server.close(),
    close: async () => {
      server.close();
      // Closes each connection once what was written to it is out.
      injector.destroy();
      const cancel = clock.after(CLOSE_GRACE_MS, () => {
        for (const socket of sockets.values()) socket.destroy();
      });
      await closed;
      cancel();
      grpc.forceShutdown();
    },
  };
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${String(remoteAddress)}:${String(remotePort)}`;
}

/** Counts the connections of each node. `add` answers what is to be called when the connection is over. */
function createNodePeers(
  sessionPeer: ListenerOptions['sessionPeer'],
  cut: (peer: string) => void,
): { readonly add: (nodeId: string, peer: string) => () => void } {
  const peers = new Map<string, Set<string>>();
  return {
    add: (nodeId, peer) => {
      const own = peers.get(nodeId) ?? new Set<string>();
      peers.set(nodeId, own.add(peer));
      const inUse = sessionPeer(nodeId);
      const oldest = [...own].find((one) => one !== inUse);
      if (own.size > MAX_CONNECTIONS_PER_NODE && oldest !== undefined) {
        own.delete(oldest);
        cut(oldest);
      }
      return () => {
        own.delete(peer);
        if (own.size === 0 && peers.get(nodeId) === own) peers.delete(nodeId);
      };
    },
  };
}
