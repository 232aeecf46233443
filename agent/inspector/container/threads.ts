import { setImmediate as immediate } from 'node:timers/promises';
import { parseProcStatus } from '../proc/proc-status.ts';
import type { ProcStatus } from '../proc/proc-status.ts';
import { readText } from '../read-text.ts';
import type { NodeView } from './node-view.ts';
import { readThreadContext } from './thread-context.ts';
import type { ThreadContext } from './thread-context.ts';

/** Limit of threads that are read of one container; with more, the fact says that it is not complete. */
export const MAX_THREADS = 4096;
/** Threads that end before they are read cost as well. */
const MAX_ATTEMPTS = 4 * MAX_THREADS;
/** The kernel answers at once: without a pause nothing else would get its turn. */
const ATTEMPTS_IN_A_ROW = 128;
/** How often the threads of one process are listed until the list holds no thread that was not read. */
const MAX_LISTINGS = 8;

/** Why a container is not seen completely. */
export const CHANGES_TOO_FAST = 'processes change faster than they can be read';

/** A live thread and where it was read, and how many others of its process read the same. */
export interface ThreadReading {
  /** Threads of the process with this status and context, but for their names. */
  readonly alike: number;
  /** `comm` of each of them, each once. */
  readonly names: readonly string[];
  /** `/proc/PID` of a main thread, `/proc/PID/task/TID` of another. */
  readonly directory: string;
  readonly pid: number;
  readonly status: ProcStatus;
  readonly context: ThreadContext;
  /** Name of the file that the process runs, without its directory, for its first live thread; empty for others, or where it was not seen. */
  readonly executable: string;
}

/** Something of a process that could not be read. */
export interface ThreadProblem {
  readonly path: string;
  readonly reason: string;
}

/** The live threads of one process; `problem`: the first of them that could not be read. */
export interface ProcessReading {
  readonly threads: readonly ThreadReading[];
  readonly problem: ThreadProblem | undefined;
}

/** Bounds what is read of one container. */
export interface ReadingBudget {
  /** Counts one attempt; false: there is no room for another thread. */
  readonly take: () => Promise<boolean>;
  /** A thread was read and is kept. */
  readonly keep: () => void;
}

/** A budget for one look at one container. */
export function createReadingBudget(): ReadingBudget {
  let kept = 0;
  let attempts = 0;
  return {
    take: async () => {
      if (kept >= MAX_THREADS || attempts >= MAX_ATTEMPTS) return false;
      attempts += 1;
      if (attempts % ATTEMPTS_IN_A_ROW === 0) await immediate();
      return true;
    },
    keep: () => {
      kept += 1;
    },
  };
}

type View = Pick<NodeView, 'host' | 'node'>;

/**
 * Reads every thread of a process: seccomp, no_new_privs, capabilities and most namespaces belong to a thread. A process
 * with one thread needs no listing. undefined: there is no such process. A zombie has no threads.
 */
export async function readProcess(view: View, pid: number, budget: ReadingBudget): Promise<ProcessReading | undefined> {
  const directory = `/proc/${String(pid)}`;
  if (!(await budget.take())) return { threads: [], problem: tooMany(directory) };
  const main = await readThread(view, { pid, directory, isFirst: true });
  if (main === undefined) return undefined;
  if ('problem' in main) return { threads: [], problem: main.problem };
  if (main.thread !== undefined) budget.keep();
  if (main.threads > 1) return readAllThreads(view, pid, main.thread, budget);
  return { threads: main.thread === undefined ? [] : [main.thread], problem: undefined };
}

/**
 * Threads may start and end meanwhile, each in the place of the last: they are listed again until the list holds none
 * that was not read, and as many as the process says that it has. The kernel ends the list early where a thread ends
 * while it is listed (fs/proc/base.c, next_tid). A main thread that ended before its threads stays as a zombie until the
 * last of them ends.
 */
async function readAllThreads(
  view: View,
  pid: number,
  main: ThreadReading | undefined,
  budget: ReadingBudget,
): Promise<ProcessReading | undefined> {
  const tasks = `/proc/${String(pid)}/task`;
  const known = new Set([String(pid)]);
  const { add, isEmpty, readings } = joinAlike();
  let problem: ThreadProblem | undefined;
  add(main);
  for (let listing = 0; listing < MAX_LISTINGS; listing += 1) {
    const listed = await view.host.list(tasks, { maxEntries: 100_000 });
    if (!listed.ok)
      return listed.code === 'absent'
        ? undefined
        : { threads: readings(), problem: { path: tasks, reason: listed.reason } };
    const fresh = listed.value.filter((thread) => !known.has(thread));
    if (fresh.length === 0 && (await countThreads(view, pid)) === listed.value.length)
      return { threads: readings(), problem };
    for (const thread of fresh) {
      const directory = `${tasks}/${thread}`;
      if (!(await budget.take())) return { threads: readings(), problem: tooMany(directory) };
      const read = await readThread(view, { pid, directory, isFirst: isEmpty() });
      // One that is ending may still be listed, and may have started another.
      if (read === undefined || ('thread' in read && read.thread === undefined)) continue;
      if ('problem' in read) problem ??= read.problem;
      else {
        budget.keep();
        add(read.thread);
      }
      known.add(thread);
    }
  }
  return { threads: readings(), problem: problem ?? { path: tasks, reason: CHANGES_TOO_FAST } };
}

/** Threads of one process, those that read the same as one: a process can have thousands that differ in nothing. */
function joinAlike(): {
  readonly add: (thread: ThreadReading | undefined) => void;
  readonly isEmpty: () => boolean;
  readonly readings: () => readonly ThreadReading[];
} {
  const groups = new Map<string, { readonly first: ThreadReading; readonly names: Set<string>; count: number }>();
  return {
    add: (thread) => {
      if (thread === undefined) return;
      const key = keyOf(thread);
      const group = groups.get(key);
      if (group === undefined) groups.set(key, { first: thread, names: new Set(thread.names), count: 1 });
      else {
        group.count += 1;
        group.names.add(thread.status.name);
      }
    },
    isEmpty: () => groups.size === 0,
    readings: () =>
      [...groups.values()].map(({ first, names, count }) =>
        Object.assign({}, first, { names: [...names], alike: count }),
      ),
  };
}

/** The facts by which a thread is judged, without its name and sources. */
function keyOf({ status, context }: ThreadReading): string {
  const { namespaces, root, label } = context;
  const observed = [...Object.values(namespaces), label].map((each) =>
    each.state === 'seen' ? each.value : each.state === 'absent' ? null : each.reason,
  );
  return JSON.stringify([{ ...status, name: '', threads: 0 }, observed, root.ok ? root.value : root.reason]);
}

async function countThreads({ host }: View, pid: number): Promise<number | undefined> {
  const read = await readText(host, `/proc/${String(pid)}/status`);
  return read.ok ? parseProcStatus(read.value)?.threads : undefined;
}

type ThreadOutcome =
  /** `thread` is undefined for a dead one; `threads`: how many its process has. */
  { readonly thread: ThreadReading | undefined; readonly threads: number } | { readonly problem: ThreadProblem };

/** undefined: gone. */
async function readThread(
  view: View,
  { pid, directory, isFirst }: { readonly pid: number; readonly directory: string; readonly isFirst: boolean },
): Promise<ThreadOutcome | undefined> {
  const path = `${directory}/status`;
  const read = await readText(view.host, path);
  // A process that dies between open and read leaves an empty file.
  if (read.ok ? read.value === '' : read.code === 'absent') return undefined;
  const status = read.ok ? parseProcStatus(read.value) : undefined;
  if (status === undefined)
    return { problem: { path, reason: read.ok ? 'its content is not understood' : read.reason } };
  if (status.isDead) return { thread: undefined, threads: status.threads };
  const context = await readThreadContext(view, directory);
  if (context === undefined) return undefined;
  const executable = isFirst ? await readExecutable(view, directory) : '';
  const thread = { directory, pid, status, context, executable, alike: 1, names: [status.name] };
  return { thread, threads: status.threads };
}

/** The name in `/proc/PID/exe`, which prctl and a link to the program do not change; a deleted file keeps its name. */
async function readExecutable({ host }: View, directory: string): Promise<string> {
  const link = await host.readLink(`${directory}/exe`);
  return link.ok ? link.value.replace(/ \(deleted\)$/, '').replace(/^.*\//s, '') : '';
}

function tooMany(path: string): ThreadProblem {
  return { path, reason: `the container has more than ${String(MAX_THREADS)} threads` };
}
