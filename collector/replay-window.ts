import { sleep } from '../service/clock.ts';
import type { Clock } from '../service/clock.ts';
import type { Logger } from '../service/log.ts';
import type { EventBus } from './store/event-bus.ts';
import type { Store } from './store/store.ts';

/** Names the cursor that keeps events in the outbox for readers of the event stream that come back. */
export const REPLAY_CURSOR = 'event-stream';

/** How long events are kept for them, at least, and how often that is looked at. */
const KEEP_MS = 10 * 60_000;
const STEP_MS = 60_000;

/** What it works with. */
export interface ReplayWindowOptions {
  readonly store: Pick<Store, 'advance'>;
  readonly eventBus: EventBus;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Moves {@link REPLAY_CURSOR} to what was the newest position ten minutes ago, until `signal` aborts. */
export async function keepReplayWindow({ store, eventBus, clock, log, signal }: ReplayWindowOptions): Promise<void> {
  let newest = 0;
  const marks: { readonly atMs: number; readonly position: number }[] = [];
  const unsubscribe = eventBus.subscribeToPositions((position) => {
    newest = Math.max(newest, position);
  });
  while (!signal.aborted) {
    const nowMs = clock.monotonic();
    if (newest > 0) marks.push({ atMs: nowMs, position: newest });
    let passed: number | undefined;
    while (nowMs - (marks[0]?.atMs ?? nowMs) >= KEEP_MS) passed = marks.shift()?.position;
    try {
      if (passed !== undefined) await store.advance(REPLAY_CURSOR, passed);
    } catch (error) {
      log.warn({ error }, 'the replay window could not be moved');
    }
    await sleep(clock, STEP_MS, signal);
  }
  unsubscribe();
}
