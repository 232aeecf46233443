import type { ImageScanProgress } from '../../image/inventory/image-scan.ts';
import type { Output } from '../context.ts';

/** One line on a terminal that is overwritten as work proceeds. */
export interface ProgressLine {
  readonly show: (progress: ImageScanProgress) => void;
  /** Removes the line. */
  readonly clear: () => Promise<void>;
}

const INTERVAL_MS = 100;
const ERASE_LINE = '\r\u001B[2K';

/** A progress line on `output`; nothing is written where that is no terminal. */
export function createProgressLine(output: Output): ProgressLine {
  let shownAtMs = Number.NEGATIVE_INFINITY;
  return {
    show: (progress) => {
      const now = performance.now();
      if (!output.isTerminal || now - shownAtMs < INTERVAL_MS) return;
      shownAtMs = now;
      void output.write(`${ERASE_LINE}${describe(progress)}`);
    },
    clear: async () => {
      if (shownAtMs > Number.NEGATIVE_INFINITY) await output.write(ERASE_LINE);
    },
  };
}

function describe(progress: ImageScanProgress): string {
  switch (progress.stage) {
    case 'export':
      return `exporting the image: ${String(Math.round(progress.bytes / 1024 ** 2))} MiB`;
    case 'layers':
      return `reading layers: ${String(progress.layers)} of ${String(progress.ofLayers)}`;
    case 'files':
      return `reading files: ${String(progress.files)}, packages: ${String(progress.packages)}`;
  }
}
