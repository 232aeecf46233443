import type { Server, Socket } from 'node:net';
import { reclaimMemory } from '../budget/reclaim.ts';
import { throttleProfileAt } from '../budget/throttle-profile.ts';
import type { NodeObserver, Observation } from '../node-observer.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import { scopedClock } from '../../service/scoped-clock.ts';
import type { ImageRecord } from '../image/image-record.ts';
import { serveAgent } from './agent-connection.ts';
import type { AgentConnection } from './agent-connection.ts';
import { listenOnSocket } from './broker-socket.ts';
import type { BrokerAbout } from './message.ts';
import type { RemoteProber } from './remote-prober.ts';

/** By then the first facts are sent. */
const RECLAIM_AFTER_MS = 3000;

/** What a broker works with. */
export interface BrokerOptions {
  readonly socketPath: string;
  /** Reads the node; its signal ends the broker too. */
  readonly observer: NodeObserver;
  /** The prober of that observer. */
  readonly prober: RemoteProber;
  /** What the process is. */
  readonly about: () => Omit<BrokerAbout, 'protocol'>;
  /** The id that an agent offers for a node without a machine id. */
  readonly offerNodeId: (id: string) => void;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly onReady?: (() => void) | undefined;
}

/**
 * Reads the node for one agent at a time. Starts to read when an agent connects for the first time, and goes on while
 * none is connected. Resolves once the signal has aborted. Rejects where it cannot listen.
 */
export async function runBroker(options: BrokerOptions): Promise<void> {
  const { observer, log, signal } = options;
  const clock = scopedClock(options.clock);
  let observation: Observation | undefined;
  let connection: AgentConnection | undefined;
  let images: readonly ImageRecord[] = [];
  let step = 0;
  const startReading = (nodeId: string): void => {
    options.offerNodeId(nodeId);
    observation ??= observer.watch({
      onChange: (_facts, change) => {
        connection?.notify();
        // The first round takes more memory than all that follows.
        if (change === undefined) clock.after(RECLAIM_AFTER_MS, () => void reclaimMemory());
      },
      pace: () => throttleProfileAt(step),
      onImages: (current) => {
        images = current;
        connection?.notify();
      },
    });
  };
  const onConnection = (socket: Socket): void => {
    const current: AgentConnection = serveAgent(socket, {
      observer,
      prober: options.prober,
      facts: () => observation?.facts(),
      images: () => images,
      about: options.about,
      onHello: (nodeId) => {
        if (connection !== undefined) return 'another agent is connected';
        connection = current;
        step = 0;
        startReading(nodeId);
        return undefined;
      },
      setPace: (next) => (step = next),
      clock,
      log,
    });
    void current.done.finally(() => {
      if (connection !== current) return;
      connection = undefined;
      options.prober.attach(undefined);
    });
  };
  const server = await listenOnSocket(options.socketPath, onConnection);
  log.info({ socket: options.socketPath, source: observer.source }, 'broker started');
  options.onReady?.();
  await aborted(signal);
  connection?.close();
  await close(server);
  await observation?.done;
  clock.close();
  log.info({}, 'broker ended');
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}
