import type { RunProgress } from '../image/inventory/worker-protocol.ts';
import type { CliEnvironment } from './context.ts';

/** One line on standard error that is overwritten as work proceeds. */
export interface ProgressLine<T> {
  readonly show: (progress: T) => void;
  /** Removes the line. */
  readonly clear: () => Promise<void>;
}

/** Progress within this time of the last that was shown is left out. */
const INTERVAL_MS = 100;
const ERASE_LINE = '\r\u001B[2K';

/**
 * A progress line on standard error; nothing is written where that is no terminal. `describe` returns plain text: what
 * comes from an image or a file must be made safe before.
 */
export function createProgressLine<T>(
  { stderr, clock }: Pick<CliEnvironment, 'stderr' | 'clock'>,
  describe: (progress: T) => string,
): ProgressLine<T> {
  let shownAtMs = Number.NEGATIVE_INFINITY;
  return {
    show: (progress) => {
      if (!stderr.isTerminal || clock.monotonic() - shownAtMs < INTERVAL_MS) return;
      shownAtMs = clock.monotonic();
      void stderr.write(`${ERASE_LINE}${describe(progress)}`);
    },
    clear: async () => {
      if (shownAtMs > Number.NEGATIVE_INFINITY) await stderr.write(ERASE_LINE);
    },
  };
}

/** How far the inventory of an image is, for a progress line. */
export function describeRun(progress: RunProgress): string {
  return progress.stage === 'layers'
    ? `reading layers: ${String(progress.layers)} of ${String(progress.ofLayers)}`
    : `reading files: ${String(progress.files)}, packages: ${String(progress.packages)}`;
}
