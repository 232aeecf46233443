import { readText } from '../read-text.ts';
import type { NodeView } from './node-view.ts';
import { findProcesses } from './processes.ts';
import type { ContainerProcesses, ProcessQuestion } from './processes.ts';
import { CHANGES_TOO_FAST, createReadingBudget, readProcess } from './threads.ts';
import type { ProcessReading, ThreadProblem, ThreadReading } from './threads.ts';

/** Every thread of a container. */
export interface ContainerThreads {
  /** Those of the first process first. */
  readonly threads: readonly ThreadReading[];
  /** Live processes, and where they are listed. */
  readonly processes: number;
  readonly source: string;
  /** The first thing that could not be read; undefined: every thread was read. */
  readonly problem: ThreadProblem | undefined;
}

/** How often the processes are listed until the list holds none that was not read. */
const MAX_ROUNDS = 8;

/**
 * Reads every thread of every process of a container. Processes may start and end meanwhile, each in the place of the
 * last: they are listed again until every one in the list was read before. Then at the time of that list there was no
 * other. Readings of processes that are not in it are dropped, since their number may have come to belong to another
 * container. undefined: the first process is gone, and the container with it.
 */
export async function readContainerThreads(
  view: Pick<NodeView, 'host' | 'node'>,
  question: ProcessQuestion,
): Promise<ContainerThreads | undefined> {
  const known = new Map<number, ProcessReading>();
  const budget = createReadingBudget();
  const { host } = view;
  let listing = await findProcesses(host, question);
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    let vanished = false;
    for (const pid of initFirst(listing.pids, question.init)) {
      if (known.has(pid)) continue;
      const reading = await readProcess(view, pid, budget);
      // Only what is still in the cgroup afterwards was read as a process of this container.
      if (reading === undefined || (round > 0 && !(await isMember(view, pid, question)))) vanished = true;
      else known.set(pid, reading);
    }
    const before = listing;
    listing = await before.listAgain(vanished);
    if (!listing.pids.includes(question.init)) return undefined;
    if (listing.pids.every((pid) => known.has(pid))) return combined(listing, known, question.init, undefined);
    // Processes of the first list that are gone may never have been members.
    if (round === 0) for (const pid of before.pids) if (!listing.pids.includes(pid)) known.delete(pid);
  }
  return combined({ ...listing, pids: [...known.keys()] }, known, question.init, {
    path: listing.source,
    reason: CHANGES_TOO_FAST,
  });
}

function initFirst(pids: readonly number[], init: number): readonly number[] {
  return [init, ...pids.filter((pid) => pid !== init)];
}

async function isMember(
  { host }: Pick<NodeView, 'host'>,
  pid: number,
  { id, cgroupText }: ProcessQuestion,
): Promise<boolean> {
  const cgroup = await readText(host, `/proc/${String(pid)}/cgroup`);
  return cgroup.ok && (cgroup.value.includes(id) || cgroup.value === cgroupText);
}

function combined(
  { pids, source, isComplete }: Pick<ContainerProcesses, 'pids' | 'source' | 'isComplete'>,
  known: ReadonlyMap<number, ProcessReading>,
  init: number,
  unstable: ThreadProblem | undefined,
): ContainerThreads | undefined {
  const first = known.get(init);
  // A zombie is no container.
  if (first === undefined || (first.threads.length === 0 && first.problem === undefined)) return undefined;
  const readings = initFirst(pids, init).map((pid) => known.get(pid));
  const unlisted = isComplete ? undefined : { path: source, reason: 'not every process of the container is listed' };
  return {
    threads: readings.flatMap((reading) => reading?.threads ?? []),
    processes: pids.length,
    source,
    problem: unstable ?? readings.find((reading) => reading?.problem !== undefined)?.problem ?? unlisted,
  };
}
