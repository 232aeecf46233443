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
 * aborts. Time in which the collector itself was down or suspended is no silence: every node gets `silentAfterMs` from
 * the start.
 */
export async function keepDetections(options: KeepDetectionsOptions): Promise<void> {
  const { nodes, store, eventBus, silentAfterMs, intervalMs, clock, log, signal } = options;
  const silentNodes = followSilence(nodes, silentAfterMs, clock);
  silentNodes();
  while (!signal.aborted) {
    await sleep(clock, jittered(intervalMs, 0.2, Math.random), signal);
    if (signal.aborted) return;
    // The moment of the last sign of life names the silence: it stays until the node is heard of again.
    const silent = silentNodes().map(({ id, name, lastSeenMs }) => ({
      nodeId: id,
      nodeName: name,
      sinceMs: lastSeenMs,
    }));
    try {
      const newest = await store.sweepDetections(silent, clock.now());
      if (newest > 0) eventBus.announce(newest);
    } catch (error) {
      log.warn({ error }, 'detections could not be written; it is tried again');
    }
  }
}

/**
 * The nodes whose last sign of life has been the same for `silentAfterMs`. Measured with the monotonic clock: a wall
 * clock that is set ahead makes no node silent, and one that is set back hides none.
 */
function followSilence(
  nodes: () => readonly NodeRow[],
  silentAfterMs: number | 'off',
  clock: Clock,
): () => readonly NodeRow[] {
  let heard = new Map<string, { readonly lastSeenMs: number; readonly atMs: number }>();
  return () => {
    if (silentAfterMs === 'off') return [];
    const atMs = clock.monotonic();
    const rows = nodes().filter((row) => !isNeverEnrolled(row));
    const before = heard;
    heard = new Map(
      rows.map(({ id, lastSeenMs }) => {
        const known = before.get(id);
        return [id, known?.lastSeenMs === lastSeenMs ? known : { lastSeenMs, atMs }];
      }),
    );
    return rows.filter(({ id }) => atMs - (heard.get(id)?.atMs ?? atMs) >= silentAfterMs);
  };
}
