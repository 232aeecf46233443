import { jittered } from '../../service/backoff.ts';
import { sleep } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import { isNeverEnrolled } from '../session/missing-node.ts';
import type { EventBus } from '../store/event-bus.ts';
import type { NodeRow, Store } from '../store/store.ts';

/** What it works with. */
export interface KeepDetectionsOptions {
  readonly nodes: () => readonly NodeRow[];
  readonly store: Pick<Store, 'sweepDetections'>;
  readonly eventBus: Pick<EventBus, 'announce'>;
  /** A node that nothing was heard of for this long is silent; `off`: never. */
  readonly silentAfterMs: number | 'off';
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/**
 * Reports agents that are silent, and detections that had no event of their own, at each interval (±20 %) until `signal`
 * aborts. Time in which the collector itself was down is no silence: every node gets `silentAfterMs` from the start.
 */
export async function keepDetections(options: KeepDetectionsOptions): Promise<void> {
  const { nodes, store, eventBus, silentAfterMs, intervalMs, clock, log, signal } = options;
  const startMs = clock.now();
  while (!signal.aborted) {
    await sleep(clock, jittered(intervalMs, 0.2, Math.random), signal);
    if (signal.aborted) return;
    const nowMs = clock.now();
    const isSilent = (row: NodeRow): boolean =>
      silentAfterMs !== 'off' &&
      !isNeverEnrolled(row) &&
      nowMs - row.lastSeenMs >= silentAfterMs &&
      nowMs - startMs >= silentAfterMs;
    // The moment of the last sign of life names the silence: it stays until the node is heard of again.
    const silent = nodes()
      .filter(isSilent)
      .map(({ id, name, lastSeenMs }) => ({ nodeId: id, nodeName: name, sinceMs: lastSeenMs }));
    try {
      const newest = await store.sweepDetections(silent, nowMs);
      if (newest > 0) eventBus.announce(newest);
    } catch (error) {
      log.warn({ error }, 'detections could not be written; it is tried again');
    }
  }
}
