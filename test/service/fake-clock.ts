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

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
