import type { CliEnvironment } from '../context.ts';

/** A line on standard error that is written over; nothing where that is no terminal. */
export interface Progress<T> {
  readonly show: (progress: T) => void;
  /** Removes the line. */
  readonly end: () => Promise<void>;
}

/** Lines within this time are left out. */
const INTERVAL_MS = 100;

/** Shows how far something is, on standard error. `describe` gives plain text without anything from outside. */
export function createProgress<T>(
  { stderr, clock }: Pick<CliEnvironment, 'stderr' | 'clock'>,
  describe: (progress: T) => string,
): Progress<T> {
  let shownAt = Number.NEGATIVE_INFINITY;
  let isShown = false;
  return {
    show: (progress) => {
      if (!stderr.isTerminal || clock.now() - shownAt < INTERVAL_MS) return;
      shownAt = clock.now();
      isShown = true;
      void stderr.write(`\r\u001b[K${describe(progress)}`);
    },
    end: async () => {
      if (isShown) await stderr.write('\r\u001b[K');
    },
  };
}
