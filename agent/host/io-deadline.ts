import { failure } from './failure.ts';
import type { Read } from './host.ts';

/** Runs work on a file system that may never come back; answers `timeout` in its place after the deadline. */
export type IoDeadline = <T>(path: string, work: () => Promise<Read<T>>) => Promise<Read<T>>;

/**
 * Node has four threads for file-system calls (UV_THREADPOOL_SIZE), and a call that hangs keeps its thread: once three
 * are lost nothing more may be started, or every other part of the process would block too. The files of processes
 * have their own share of the three: a process sees to it itself that its memory does not answer.
 */
export const MAX_OVERDUE = Object.freeze({ ofFiles: 2, ofProcesses: 1 });

/** One for each kind of path: it remembers which have not come back, and gives up once there are `maxOverdue`. */
export function createIoDeadline(deadlineMs: number, maxOverdue: number): IoDeadline {
  const overdue = new Set<string>();
  return (path, work) => {
    if (overdue.has(path)) return Promise.resolve(failure('timeout', 'an earlier read has not come back'));
    if (overdue.size >= maxOverdue) {
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
