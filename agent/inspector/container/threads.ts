import type { Host } from '../../host/host.ts';
import { parseProcStatus } from '../proc/proc-status.ts';
import type { ProcStatus } from '../proc/proc-status.ts';
import { readText } from '../read-text.ts';

/** So many threads of one container are read; with more, the fact says that it is not complete. */
export const MAX_THREADS = 2048;

/** One live thread and the file that it was read from. */
export interface ThreadReading {
  readonly path: string;
  readonly status: ProcStatus;
}

/** The threads of a container. */
export interface ThreadReadings {
  readonly threads: readonly ThreadReading[];
  /** All of them were read. */
  readonly isComplete: boolean;
  /** The first thread that is there and could not be read. */
  readonly problem: { readonly path: string; readonly reason: string } | undefined;
}

/**
 * Reads every thread of `init` and then of `pids`: seccomp, no_new_privs and capabilities belong to a thread, not to a
 * process. A process with one thread needs one file. A thread that ends meanwhile is left out; undefined where `init`
 * itself is gone, and the container with it.
 */
export async function readThreads(
  host: Host,
  init: number,
  pids: readonly number[],
): Promise<ThreadReadings | undefined> {
  const collected = createCollection();
  if (!(await readProcess(host, init, collected))) return undefined;
  for (const pid of pids) {
    if (pid === init) continue;
    if (collected.isFull()) break;
    await readProcess(host, pid, collected);
  }
  return collected.readings();
}

/** Does the process still live? One that may not be read does. */
async function readProcess(host: Host, pid: number, into: Collection): Promise<boolean> {
  const path = `/proc/${String(pid)}/status`;
  const status = await readStatus(host, path, into);
  if (status === undefined) return false;
  if (status === 'unreadable') return true;
  // A leader that ended before its threads stays as a zombie until the last of them ends.
  if (!status.isDead) into.add(path, status);
  if (status.threads > 1) await readOtherThreads(host, pid, into);
  return !status.isDead || status.threads > 1;
}

async function readOtherThreads(host: Host, pid: number, into: Collection): Promise<void> {
  const directory = `/proc/${String(pid)}/task`;
  const listed = await host.list(directory, { maxEntries: 100_000 });
  if (!listed.ok) {
    if (listed.code !== 'absent') into.missed(directory, listed.reason);
    return;
  }
  const leader = String(pid);
  for (const thread of listed.value) {
    if (thread === leader) continue;
    if (into.isFull()) return;
    const path = `${directory}/${thread}/status`;
    const status = await readStatus(host, path, into);
    if (status !== undefined && status !== 'unreadable' && !status.isDead) into.add(path, status);
  }
}

/** undefined: gone. */
async function readStatus(host: Host, path: string, into: Collection): Promise<ProcStatus | 'unreadable' | undefined> {
  const read = await readText(host, path);
  // A process that dies between open and read leaves an empty file.
  if (read.ok ? read.value === '' : read.code === 'absent') return undefined;
  const status = read.ok ? parseProcStatus(read.value) : undefined;
  if (status !== undefined) return status;
  into.missed(path, read.ok ? 'its content is not understood' : read.reason);
  return 'unreadable';
}

interface Collection {
  readonly add: (path: string, status: ProcStatus) => void;
  readonly missed: (path: string, reason: string) => void;
  /** Asked before one more is read: where there is no room for it, the collection is not complete. */
  readonly isFull: () => boolean;
  readonly readings: () => ThreadReadings;
}

function createCollection(): Collection {
  const threads: ThreadReading[] = [];
  let isComplete = true;
  let problem: ThreadReadings['problem'];
  return {
    add: (path, status) => {
      threads.push({ path, status });
    },
    missed: (path, reason) => {
      isComplete = false;
      problem ??= { path, reason };
    },
    isFull: () => {
      if (threads.length < MAX_THREADS) return false;
      isComplete = false;
      return true;
    },
    readings: () => ({ threads, isComplete, problem }),
  };
}
