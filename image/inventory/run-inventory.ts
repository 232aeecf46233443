import { Worker } from 'node:worker_threads';
import type { Inventory } from '../../vulnerability/package.ts';
import type { ImageSource } from './image-source.ts';
import type { InventoryReport, InventoryTask, RunProgress } from './worker-protocol.ts';

/** One inventory to take. */
export interface InventoryRun {
  readonly source: ImageSource;
  /** The module of the worker thread: `worker.ts` of this folder, or `inventory-worker.js` beside the bundle. */
  readonly worker: URL;
  readonly deadlineMs?: number;
  readonly maxHeapMb?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: RunProgress) => void;
}

/**
 * What came of it. Without an inventory nothing is known about the image: `unreadable` the source cannot be opened,
 * `deadline` it took too long, `memory` it needed more than `maxHeapMb`, `crashed` the worker ended unexpectedly,
 * `aborted` by the signal.
 */
export type InventoryOutcome =
  /** `imageId`: the id of the image of an archive, the SHA-256 of its configuration. */
  | { readonly ok: true; readonly inventory: Inventory; readonly imageId?: string }
  | {
      readonly ok: false;
      readonly code: 'unreadable' | 'deadline' | 'memory' | 'crashed' | 'aborted';
      /** One clause for people; quotes nothing of the image. */
      readonly reason: string;
    };

const DEADLINE_MS = 120_000;
/** The index of an image with a million files needs about 300 MiB. */
const MAX_HEAP_MB = 768;

/**
 * Takes an inventory in a thread of its own with lower priority, which is ended at the deadline, at the limit of its
 * memory, or by the signal. Never rejects for what an image holds.
 */
export function runInventory(run: InventoryRun): Promise<InventoryOutcome> {
  const { source, worker: module, signal, deadlineMs = DEADLINE_MS, maxHeapMb = MAX_HEAP_MB } = run;
  if (signal?.aborted === true) return Promise.resolve(ABORTED);
  const task: InventoryTask = { source, softDeadlineMs: deadlineMs * 0.9 };
  const { promise, resolve } = Promise.withResolvers<InventoryOutcome>();
  const worker = new Worker(module, {
    workerData: task,
    resourceLimits: { maxOldGenerationSizeMb: maxHeapMb, maxYoungGenerationSizeMb: 64 },
    // A thread that reads hostile files needs neither the flags nor the environment of this process.
    name: 'inventory',
    execArgv: [],
    env: {},
  });
  const finish = (outcome: InventoryOutcome): void => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
    resolve(outcome);
    // Not awaited: a thread that waits for a disk ends only once that has answered.
    void worker.terminate();
  };
  const abort = (): void => finish(ABORTED);
  const timer = setTimeout(
    () => finish({ ok: false, code: 'deadline', reason: `not finished within ${String(deadlineMs / 1000)} s` }),
    deadlineMs,
  );
  signal?.addEventListener('abort', abort, { once: true });
  worker.on('message', (report: InventoryReport) => {
    if (report.kind === 'progress') run.onProgress?.(report.progress);
    else if (report.kind === 'taken') {
      const { inventory, imageId } = report;
      finish({ ok: true, inventory, ...(imageId !== undefined && { imageId }) });
    } else finish({ ok: false, code: 'unreadable', reason: report.reason });
  });
  worker.on('messageerror', () => finish(crashed('its result cannot be read')));
  worker.on('error', (error: unknown) => {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    finish(
      code === 'ERR_WORKER_OUT_OF_MEMORY'
        ? { ok: false, code: 'memory', reason: `needs more than ${String(maxHeapMb)} MiB of memory` }
        : crashed(error instanceof Error ? error.name : 'unknown error'),
    );
  });
  worker.on('exit', (code) => finish(crashed(`exit code ${String(code)}`)));
  return promise;
}

const ABORTED: InventoryOutcome = { ok: false, code: 'aborted', reason: 'stopped' };

function crashed(detail: string): InventoryOutcome {
  return { ok: false, code: 'crashed', reason: `the inventory ended with an internal error (${detail})` };
}
