/** The `Clock` port: what time it is, and being called later. */
export interface Clock {
  /** Wall clock, milliseconds since 1970-01-01 UTC. May jump either way. */
  readonly now: () => number;
  /** Milliseconds since some moment; never goes back. For durations and deadlines. */
  readonly monotonic: () => number;
  /** Calls `run` once, not before `delayMs` are over. Returns a function that prevents it. */
  readonly after: (delayMs: number, run: () => void) => () => void;
}

/** Longest delay of setTimeout (2^31 - 1 ms, about 24.8 days); a longer one would fire at once. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** The machine's clock. */
export function systemClock(): Clock {
  return { now: () => Date.now(), monotonic: () => performance.now(), after: afterTimeout };
}

function afterTimeout(delayMs: number, run: () => void): () => void {
  let timer: NodeJS.Timeout;
  const arm = (leftMs: number): void => {
    const stepMs = Math.min(leftMs, MAX_TIMEOUT_MS);
    timer = setTimeout(() => (leftMs > stepMs ? arm(leftMs - stepMs) : run()), stepMs);
  };
  arm(Math.max(0, delayMs));
  return () => clearTimeout(timer);
}

/** Resolves after `delayMs`, or as soon as `signal` aborts; never rejects. */
export function sleep(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = clock.after(delayMs, done);
    signal.addEventListener('abort', done, { once: true });
  });
}

/** `outcome`, or `late()` if it is not there within `deadlineMs`. What comes too late is ignored, also its failure. */
export function within<T>(clock: Clock, deadlineMs: number, outcome: Promise<T>, late: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(deadlineMs, () => resolve(late()));
    outcome.then(resolve, reject).finally(cancel);
  });
}
