import { Worker } from 'node:worker_threads';
import type { OpenedDatabase } from './database.ts';

/** Whether every page and row of a database is sound, or what is wrong with it. */
export type VerifyReport = { readonly ok: true } | Extract<OpenedDatabase, { ok: false }>;

/** A database of 200 MB takes some 10 s on a slow disk. */
const DEADLINE_MS = 5 * 60_000;

/**
 * Verifies every page and row of the database at `path` in a thread of its own, so that the caller stays responsive.
 * `worker` is the module of the thread: `verify-worker.ts` of this folder, or `vulndb-worker.js` beside the bundle. A
 * file that cannot be verified is `damaged`. Rejects with the reason of the signal if it aborts.
 */
export function verifyDatabase(path: string, worker: URL, signal: AbortSignal): Promise<VerifyReport> {
  if (signal.aborted) return Promise.reject(signal.reason as Error);
  const { promise, resolve, reject } = Promise.withResolvers<VerifyReport>();
  const damaged = (why: string): void => resolve({ ok: false, code: 'damaged', problem: `${path}: ${why}` });
  const thread = new Worker(worker, { workerData: path, name: 'vulndb', execArgv: [], env: {} });
  const abort = (): void => reject(signal.reason as Error);
  signal.addEventListener('abort', abort, { once: true });
  const timer = setTimeout(() => damaged('could not be verified within 5 minutes'), DEADLINE_MS);
  thread.on('message', (report: VerifyReport) => resolve(report));
  thread.on('error', (error: unknown) => {
    damaged(`could not be verified (${error instanceof Error ? error.name : 'unknown error'})`);
  });
  thread.on('exit', () => damaged('could not be verified'));
  return promise.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
    // Not awaited: a thread that waits for a disk ends only once that has answered.
    void thread.terminate();
  });
}
