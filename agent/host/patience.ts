import { failure } from './failure.ts';
import type { Read } from './host.ts';

/** Runs work on a file system that may never come back; answers `timeout` in its place after the deadline. */
export type Patience = <T>(path: string, work: () => Promise<Read<T>>) => Promise<Read<T>>;

// Node has four threads for file-system calls (UV_THREADPOOL_SIZE), and a call that hangs keeps its thread: once three
// are lost nothing more is started, or every other part of the process would stand still too.
const MAX_OVERDUE = 3;

/** One for each host: it remembers which paths have not come back. */
export function createPatience(deadlineMs: number): Patience {
  const overdue = new Set<string>();
  return (path, work) => {
    if (overdue.has(path)) return Promise.resolve(failure('timeout', 'an earlier read has not come back'));
    if (overdue.size >= MAX_OVERDUE) {
      return Promise.resolve(failure('timeout', 'not read: reads of other paths have not come back'));
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        overdue.add(path);
        resolve(failure('timeout', `no answer within ${String(deadlineMs)} ms`));
      }, deadlineMs);
      work()
        .then(resolve, reject)
        .finally(() => {
          clearTimeout(timer);
          overdue.delete(path);
        });
    });
  };
}
