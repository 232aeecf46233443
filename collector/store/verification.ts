import { sleep } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import type { Store } from './store.ts';

/** A node whose stored findings were damaged. */
export interface RepairedNode {
  readonly kind: 'repaired';
  readonly nodeId: string;
}

/** What verification needs. */
export interface VerificationOptions {
  readonly store: Pick<Store, 'nodes' | 'verify'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Verification that runs until the signal aborts. */
export interface StoreVerification {
  /** Nodes that were repaired since the collector started. */
  readonly repaired: () => readonly RepairedNode[];
  readonly over: Promise<void>;
}

/** Between two nodes at the start: commits come first. */
const START_PAUSE_MS = 20;
/** All nodes are verified once in this time. */
const ROUND_MS = 24 * 60 * 60_000;
/** A failing store is tried again after this. */
const RETRY_MS = 60_000;

/**
 * Verifies the stored findings of every node: at once, then each once a day. A node with damaged rows is asked for all
 * its findings with its next heartbeat, since the store then knows no state of it.
 */
export function startVerification({ store, clock, log, signal }: VerificationOptions): StoreVerification {
  const repaired = new Map<string, RepairedNode>();
  const verify = async (nodeId: string): Promise<void> => {
    if ((await store.verify(nodeId)) !== 'repaired') return;
    repaired.set(nodeId, { kind: 'repaired', nodeId });
    log.error({ nodeId }, 'stored findings of a node were damaged: it is asked for all of them');
  };
  const verifyAll = async (pauseMs: (nodes: number) => number): Promise<void> => {
    const nodes = await store.nodes();
    for (const { id } of nodes) {
      if (signal.aborted) return;
      await verify(id);
      await sleep(clock, pauseMs(nodes.length), signal);
    }
    if (nodes.length === 0) await sleep(clock, pauseMs(1), signal);
  };
  const run = async (): Promise<void> => {
    let pauseMs = (_nodes: number): number => START_PAUSE_MS;
    while (!signal.aborted) {
      try {
        await verifyAll(pauseMs);
        pauseMs = (nodes) => ROUND_MS / nodes;
      } catch (error) {
        log.warn({ error }, 'the store could not be verified');
        await sleep(clock, RETRY_MS, signal);
      }
    }
  };
  return { repaired: () => [...repaired.values()], over: run() };
}
