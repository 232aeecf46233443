import { systemClock } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';

/** A clock that moves only when a test advances it: for replaying hours in milliseconds. */
export interface FakeClock extends Clock {
  /** Lets `durationMs` pass: everything due is run in order, with the time that it was due at. */
  readonly advance: (durationMs: number) => Promise<void>;
  /** Sets the wall clock ahead or back, as an administrator would. Nothing becomes due by it. */
  readonly jump: (byMs: number) => void;
  /** How many calls are waiting. */
  readonly waiting: () => number;
}

interface Entry {
  readonly dueMs: number;
  readonly order: number;
  readonly run: () => void;
}

/**
 * A {@link FakeClock} whose wall clock starts at `startMs`. Before time passes on, `settled` is awaited: by default one
 * turn of the event loop, so that promises and I/O callbacks that are ready run.
 */
export function createFakeClock(startMs = Date.UTC(2026, 0, 1), settled = nextTurn): FakeClock {
  const entries = new Set<Entry>();
  let elapsedMs = 0;
  let offsetMs = startMs;
  let order = 0;
  const nextDue = (untilMs: number): Entry | undefined => {
    const due = [...entries].filter((entry) => entry.dueMs <= untilMs);
    return due.sort((one, other) => one.dueMs - other.dueMs || one.order - other.order)[0];
  };
  return {
    now: () => offsetMs + elapsedMs,
    monotonic: () => elapsedMs,
    after: (delayMs, run) => {
      const entry = { dueMs: elapsedMs + Math.max(0, delayMs), order: (order += 1), run };
      entries.add(entry);
      return () => entries.delete(entry);
    },
    advance: async (durationMs) => {
      const untilMs = elapsedMs + durationMs;
      await settled();
      for (let entry = nextDue(untilMs); entry !== undefined; entry = nextDue(untilMs)) {
        entries.delete(entry);
        elapsedMs = entry.dueMs;
        entry.run();
        await settled();
      }
      elapsedMs = untilMs;
    },
    jump: (byMs) => {
      offsetMs += byMs;
    },
    waiting: () => entries.size,
  };
}

/** The clock of the machine, and a function that moves it ahead: what becomes due by that runs at once. */
export function createAdvancedClock(): { readonly clock: Clock; readonly advance: (byMs: number) => void } {
  const system = systemClock();
  const waiting = new Set<{ readonly dueMs: number; readonly run: () => void }>();
  let aheadMs = 0;
  const monotonic = (): number => system.monotonic() + aheadMs;
  const clock: Clock = {
    now: () => system.now() + aheadMs,
    monotonic,
    after: (delayMs, run) => {
      const entry = { dueMs: monotonic() + delayMs, run: () => waiting.delete(entry) && run() };
      waiting.add(entry);
      const cancel = system.after(delayMs, entry.run);
      return () => {
        waiting.delete(entry);
        cancel();
      };
    },
  };
  const advance = (byMs: number): void => {
    aheadMs += byMs;
    for (const entry of waiting) if (entry.dueMs <= monotonic()) entry.run();
  };
  return { clock, advance };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
