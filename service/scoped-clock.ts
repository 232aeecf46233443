import type { Clock } from './clock.ts';

/** A clock that can be closed: then nothing that was to be called later is called any more. */
export interface ScopedClock extends Clock {
  readonly close: () => void;
}

/** `clock` for the life of one thing, so that no timer of it is left behind. */
export function scopedClock(clock: Clock): ScopedClock {
  const cancels = new Set<() => void>();
  let closed = false;
  return {
    now: clock.now,
    monotonic: clock.monotonic,
    after: (delayMs, run) => {
      if (closed) return () => undefined;
      const cancelTimer = clock.after(delayMs, () => {
        cancels.delete(cancel);
        run();
      });
      const cancel = (): void => {
        cancels.delete(cancel);
        cancelTimer();
      };
      cancels.add(cancel);
      return cancel;
    },
    close: () => {
      closed = true;
      for (const cancel of cancels) cancel();
    },
  };
}
