import { jittered } from '../../service/backoff.ts';
import { sleep } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import type { TrimmedHistory } from './event-share-table.ts';
import type { Store } from './store.ts';

/** What retention needs. */
export interface RetentionOptions {
  readonly store: Pick<Store, 'prune'>;
  /** Names of the sinks that are configured: events that one of them still needs are kept. */
  readonly sinks: readonly string[];
  /** How long history is kept. */
  readonly historyMs: number;
  readonly intervalMs: number;
  /** A node has more history than it may: its oldest was deleted. */
  readonly onTrimmed: (trimmed: TrimmedHistory) => void;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Prunes the store now and at each interval (±20 %) until `signal` aborts. A failure is logged; the next one may do. */
export async function keepRetention(options: RetentionOptions): Promise<void> {
  const { store, sinks, historyMs, intervalMs, onTrimmed, clock, log, signal } = options;
  while (!signal.aborted) {
    try {
      for (const trimmed of await store.prune(sinks, clock.now() - historyMs)) {
        log.warn({ ...trimmed }, 'a node has too much history; its oldest was deleted');
        onTrimmed(trimmed);
      }
    } catch (error) {
      log.warn({ error }, 'pruning the store failed');
    }
    await sleep(clock, jittered(intervalMs, 0.2, Math.random), signal);
  }
}
