import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

/** What can be wrong between a node and its collector. */
export const NETWORK_FAULTS = [
  /** Every connection breaks with RST; new ones are taken. */
  'reset',
  /** As `reset`, and new connections break at once. */
  'refuse',
  /** Nothing arrives on either side, without an error; later all of it does. */
  'silence',
  /** Only what the node says, or only what the collector says, does not arrive. */
  'silentNode',
  'silentCollector',
  /** The node loses its connection, and the collector does not notice. */
  'nodeLosesIt',
  /** The collector loses the connection, and the node does not notice. */
  'collectorLosesIt',
  /** Everything arrives late. */
  'delay',
  /** Everything arrives a few bytes at a time. */
  'drip',
] as const;

/** One of {@link NETWORK_FAULTS}. */
export type NetworkFault = (typeof NETWORK_FAULTS)[number];

/** A network between a node and its collector. */
export interface Proxy {
  /** The node connects here. */
  readonly port: number;
  /** Where the collector is now; undefined: nowhere. */
  readonly leadTo: (port: number | undefined) => void;
  /** Has a fault for a time; resolves when all is well again. */
  readonly suffer: (fault: NetworkFault, forMs: number) => Promise<void>;
  readonly close: () => void;
}

interface Pair {
  readonly node: Socket;
  readonly collector: Socket;
  /** One end is gone, and the other is not to hear of it yet. */
  isSplit: boolean;
}

const DELAY_MS = 150;
const [DRIP_BYTES, DRIP_MS] = [97, 1];

/** A proxy on a free port of the loopback interface. */
export async function startProxy(): Promise<Proxy> {
  const pairs = new Set<Pair>();
  let target: number | undefined;
  let fault: NetworkFault | undefined;
  let healed = Promise.withResolvers<void>();

  const flow = async (from: Socket, to: Socket, silencedBy: NetworkFault): Promise<void> => {
    for await (const chunk of from as AsyncIterable<Buffer>) {
      while (fault === 'silence' || fault === silencedBy) await healed.promise;
      if (fault === 'delay') await pause(DELAY_MS);
      for (let at = 0; at < chunk.length;) {
        const bytes = fault === 'drip' ? DRIP_BYTES : chunk.length;
        if (!to.write(chunk.subarray(at, at + bytes))) await once(to, 'drain');
        at += bytes;
        if (fault === 'drip') await pause(DRIP_MS);
      }
    }
    to.end();
  };
  const accept = (node: Socket): void => {
    node.on('error', () => undefined);
    if (fault === 'refuse' || target === undefined) return reset(node);
    const collector = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    collector.on('error', () => undefined);
    const pair = { node, collector, isSplit: false };
    pairs.add(pair);
    const onEnd = (): void => {
      if (!pair.isSplit) breakPair(pair);
    };
    node.once('close', onEnd);
    collector.once('close', onEnd);
    flow(node, collector, 'silentNode').catch(onEnd);
    flow(collector, node, 'silentCollector').catch(onEnd);
  };
  const breakPair = (pair: Pair): void => {
    pairs.delete(pair);
    reset(pair.node);
    reset(pair.collector);
  };
  const breakEach = (list: Iterable<Pair>): void => {
    for (const pair of list) breakPair(pair);
  };
  const server = createServer({ allowHalfOpen: true, noDelay: true }, accept);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  return {
    port: (server.address() as AddressInfo).port,
    leadTo: (port) => {
      target = port;
    },
    suffer: async (what, forMs) => {
      const before = [...pairs];
      fault = what;
      if (what === 'reset' || what === 'refuse') breakEach(before);
      if (what === 'nodeLosesIt' || what === 'collectorLosesIt')
        for (const pair of before) {
          pair.isSplit = true;
          reset(pair[what === 'nodeLosesIt' ? 'node' : 'collector']);
        }
      await pause(forMs);
      fault = undefined;
      healed.resolve();
      healed = Promise.withResolvers();
      // What one side has not heard of, it hears of now.
      breakEach(before.filter(({ isSplit }) => isSplit));
    },
    close: () => {
      server.close();
      breakEach(pairs);
    },
  };
}

/**
 * With RST, but for a socket that is being shut down: libuv refuses to reset that (UV_EINVAL of uv_tcp_close_reset), and
 * Node then drops its handle without closing it.
 */
function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
