import { jittered } from '../service/backoff.ts';
import { sleep } from '../service/clock.ts';
import type { Clock } from '../service/clock.ts';
import type { Logger } from '../service/log.ts';
import { isNeverEnrolled } from './session/missing-node.ts';
import type { NodeRemover } from './session/remove-node.ts';
import type { NodeRow } from './store/store.ts';

/** What node retention works with. */
export interface NodeRetentionOptions {
  readonly nodes: () => readonly NodeRow[];
  readonly remove: NodeRemover['remove'];
  /** A node without contact for this long is removed. */
  readonly retentionMs: number;
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Who removes, for the log. */
const BY = 'node-retention';
/**
 * After a restart of the collector no node is connected. All get this time to reconnect, longer than the longest pause
 * between two attempts.
 */
const GRACE_MS = 3_600_000;

/**
 * Removes nodes that were not heard of for `retentionMs`, one after the other, at each interval (±20 %) until `signal`
 * aborts, and not before everyone has had time to connect. What the store does not take is tried again next time.
 */
export async function keepNodeRetention(options: NodeRetentionOptions): Promise<void> {
  const { nodes, remove, retentionMs, intervalMs, clock, log, signal } = options;
  await sleep(clock, Math.min(GRACE_MS, retentionMs), signal);
  while (!signal.aborted) {
    const beforeMs = clock.now() - retentionMs;
    // Those that never had a session go when they leave the cluster.
    const old = nodes().filter((row) => !row.connected && !isNeverEnrolled(row) && row.lastSeenMs <= beforeMs);
    try {
      for (const { id } of old) {
        if (signal.aborted) return;
        const { outcome } = await remove(id, BY);
        if (outcome === 'notNow') break;
        // Sessions get their turn in between: a whole fleet may be old at once.
        await new Promise(setImmediate);
      }
    } catch (error) {
      log.warn({ error }, 'a node without contact could not be removed; it is tried again');
    }
    await sleep(clock, jittered(intervalMs, 0.2, Math.random), signal);
  }
}
