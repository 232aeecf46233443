/** Joins what happens to a path within a short time into one call. */
export interface Debouncer {
  readonly add: (path: string) => void;
  readonly close: () => void;
}

// Changes of a file that is written continuously are reported at the latest after this many quiet times.
const MAX_QUIET_TIMES = 10;

/** Calls `settle` once nothing has happened to a path for `quietMs`; never twice at the same time for one path. */
export function createDebouncer(quietMs: number, settle: (path: string) => Promise<void>): Debouncer {
  const waiting = new Map<string, { timer: NodeJS.Timeout; readonly latestAt: number }>();
  const running = new Set<string>();
  const again = new Set<string>();

  const run = (path: string): void => {
    waiting.delete(path);
    if (running.has(path)) {
      again.add(path);
      return;
    }
    running.add(path);
    void settle(path).finally(() => {
      running.delete(path);
      if (again.delete(path)) run(path);
    });
  };

  return {
    add: (path) => {
      const now = performance.now();
      const entry = waiting.get(path);
      if (entry === undefined) {
        const timer = setTimeout(() => run(path), quietMs);
        waiting.set(path, { timer, latestAt: now + quietMs * MAX_QUIET_TIMES });
      } else {
        clearTimeout(entry.timer);
        entry.timer = setTimeout(() => run(path), Math.max(0, Math.min(quietMs, entry.latestAt - now)));
      }
    },
    close: () => {
      for (const { timer } of waiting.values()) clearTimeout(timer);
      waiting.clear();
      again.clear();
    },
  };
}
