import type { Host } from '../../host/host.ts';
import { cgroupDirectory } from '../proc/cgroup.ts';
import type { CgroupEntry, CgroupMount } from '../proc/cgroup.ts';
import { parseProcStatus } from '../proc/proc-status.ts';
import { readText } from '../read-text.ts';

/** Processes of one container. */
export interface ContainerProcesses {
  readonly pids: readonly number[];
  readonly source: string;
  /** All of them were found. */
  readonly isComplete: boolean;
  /**
   * Lists them once more. Where there was one cgroup only, that one; `isThorough`: cgroups below it are looked for as
   * well, since a process may have moved.
   */
  readonly listAgain: (isThorough: boolean) => Promise<ContainerProcesses>;
}

/** The container whose processes are looked for. */
export interface ProcessQuestion {
  readonly id: string;
  readonly init: number;
  /** `/proc/PID/cgroup` of the first process, as it was read. */
  readonly cgroupText: string;
  readonly entries: readonly CgroupEntry[];
  readonly mounts: readonly CgroupMount[];
}

const MAX_PROCESSES = 4096;
const MAX_CGROUPS = 256;
/** Names that are tried, files among them. */
const MAX_TRIED = 20_000;
const MAX_DEPTH = 16;

/**
 * Version 2, and the hierarchy of version 1 in which engines always put a process. Where a node has both, a process that
 * is in either belongs to the container.
 */
const BOTH = ['', 'pids'];
/** Of version 1, where it has no pids. */
const OTHERS = ['memory', 'name=systemd', 'freezer', 'devices'];

/** Files of the pids hierarchy of version 1: every other entry is a cgroup below. */
const KNOWN_FILES = new Set([
  'cgroup.clone_children',
  'cgroup.procs',
  'notify_on_release',
  'pids.current',
  'pids.events',
  'pids.events.local',
  'pids.max',
  'pids.peak',
  'tasks',
]);

/**
 * The processes in the cgroup of a container and in those below it: also those that `docker exec` brought in, which
 * are no descendants of the first process. Where no cgroup file system can be read: the descendants.
 */
export async function findProcesses(host: Host, question: ProcessQuestion): Promise<ContainerProcesses> {
  const tops = BOTH.flatMap((hierarchy) => topOf(question, hierarchy) ?? []);
  const fallback = tops.length > 0 ? undefined : OTHERS.map((hierarchy) => topOf(question, hierarchy)).find(Boolean);
  const all = fallback === undefined ? tops : [fallback];
  const found = all.length === 0 ? undefined : await readCgroups(host, all);
  return found?.pids.includes(question.init) === true ? found : descendants(host, question);
}

/** Where the cgroup of a container begins in one hierarchy. */
interface CgroupTop {
  readonly path: string;
  readonly isUnified: boolean;
}

/** undefined: the hierarchy does not name the container there, so that the cgroup may hold others too. */
function topOf({ mounts, entries, id }: ProcessQuestion, hierarchy: string): CgroupTop | undefined {
  const directory = cgroupDirectory(mounts, entries, hierarchy);
  if (directory === undefined || !directory.path.includes(id)) return undefined;
  return { path: directory.path.slice(0, endOfId(directory.path, id)), isUnified: hierarchy === '' };
}

/** A process may sit below the cgroup of its container (systemd in a container does): the search starts at the top. */
function endOfId(path: string, id: string): number {
  const slash = path.indexOf('/', path.indexOf(id));
  return slash === -1 ? path.length : slash;
}

/** undefined: a cgroup at the top cannot be read. */
async function readCgroups(host: Host, tops: readonly CgroupTop[]): Promise<ContainerProcesses | undefined> {
  const pids = new Set<number>();
  const queue = tops.map((top) => ({ ...top, depth: 0 }));
  let cgroups = 0;
  let isComplete = true;
  // The queue grows while it is walked.
  for (const { path, isUnified, depth } of queue) {
    const read = await readText(host, `${path}/cgroup.procs`);
    if (!read.ok) {
      if (depth === 0) return undefined;
      // A file, not a cgroup; or one that was removed meanwhile.
      if (read.code !== 'absent') isComplete = false;
      continue;
    }
    cgroups += 1;
    if (!addPids(read.value, pids)) isComplete = false;
    // What was moved below in version 1 alone is still in the list of version 2.
    if (tops.length > 1 && !isUnified) continue;
    const below = depth < MAX_DEPTH ? await childCgroups(host, path, isUnified) : undefined;
    if (below === undefined) isComplete = false;
    else for (const name of below) queue.push({ path: `${path}/${name}`, isUnified, depth: depth + 1 });
    if (cgroups >= MAX_CGROUPS || queue.length > MAX_TRIED || pids.size > MAX_PROCESSES) {
      // The last cgroup that fits may well be the last there is.
      isComplete = isComplete && queue.length === cgroups && pids.size <= MAX_PROCESSES;
      break;
    }
  }
  const found = {
    pids: [...pids].slice(0, MAX_PROCESSES),
    source: `${tops[0]?.path ?? ''}/cgroup.procs`,
    isComplete,
  };
  const listAgain = async (isThorough: boolean): Promise<ContainerProcesses> => {
    if (isThorough || queue.length > tops.length || !isComplete)
      return (await readCgroups(host, tops)) ?? { ...found, pids: [], listAgain };
    const again = new Set<number>();
    let areVisible = true;
    for (const { path } of tops) {
      const read = await readText(host, `${path}/cgroup.procs`);
      if (!read.ok || !addPids(read.value, again)) areVisible = false;
    }
    return { ...found, pids: [...again].slice(0, MAX_PROCESSES), isComplete: areVisible, listAgain };
  };
  return { ...found, listAgain };
}

/** `cgroup.procs`: a number a line. false where a process is not visible in the pid namespace that we see: 0. */
function addPids(text: string, pids: Set<number>): boolean {
  let areVisible = true;
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const pid = Number(line);
    if (Number.isSafeInteger(pid) && pid > 0) pids.add(pid);
    else areVisible = false;
  }
  return areVisible;
}

/** Names that may be cgroups; undefined if that is not known. */
async function childCgroups(host: Host, path: string, hasStat: boolean): Promise<readonly string[] | undefined> {
  // Version 2 says how many there are, which spares listing: cgroup.stat, cgroup-v2.rst.
  if (hasStat) {
    const stat = await readText(host, `${path}/cgroup.stat`);
    if (stat.ok && /^nr_descendants 0$/m.test(stat.value)) return [];
  }
  const listed = await host.list(path);
  if (!listed.ok) return listed.code === 'absent' ? [] : undefined;
  return listed.value.filter((name) => !KNOWN_FILES.has(name));
}

/**
 * The first process, what it started, and its siblings in the same cgroup: `docker exec`
 * makes such ones. A process that was moved to another cgroup is not found this way.
 */
async function descendants(host: Host, question: ProcessQuestion): Promise<ContainerProcesses> {
  const { init, cgroupText } = question;
  const pids = new Set([init]);
  let isComplete = await addDescendants(host, pids);
  const status = await readText(host, `/proc/${String(init)}/status`);
  const parent = status.ok ? parseProcStatus(status.value)?.parent : undefined;
  const siblings = parent === undefined || parent <= 1 ? undefined : await children(host, parent);
  if (siblings === undefined) isComplete = false;
  else
    for (const pid of siblings) {
      const cgroup = await readText(host, `/proc/${String(pid)}/cgroup`);
      if (cgroup.ok && cgroup.value === cgroupText) pids.add(pid);
    }
  isComplete = (await addDescendants(host, pids)) && isComplete;
  return {
    pids: [...pids],
    source: `/proc/${String(init)}/task/*/children`,
    isComplete,
    listAgain: async () => {
      // The number of the first process may belong to another by now.
      const cgroup = await readText(host, `/proc/${String(init)}/cgroup`);
      const again = await descendants(host, question);
      return cgroup.ok && cgroup.value === cgroupText ? again : { ...again, pids: [] };
    },
  };
}

async function addDescendants(host: Host, pids: Set<number>): Promise<boolean> {
  // A set hands out what is added to it while it is walked.
  for (const pid of pids) {
    const below = await children(host, pid);
    if (below === undefined) return false;
    for (const child of below) pids.add(child);
    if (pids.size > MAX_PROCESSES) return false;
  }
  return true;
}

/** `/proc/PID/task/TID/children`, proc_tid_children(5): the children that each thread started. */
async function children(host: Host, pid: number): Promise<readonly number[] | undefined> {
  const directory = `/proc/${String(pid)}/task`;
  const listed = await host.list(directory);
  if (!listed.ok) return listed.code === 'absent' ? [] : undefined;
  const found: number[] = [];
  for (const thread of listed.value) {
    const read = await readText(host, `${directory}/${thread}/children`);
    if (!read.ok && thread === String(pid)) return undefined;
    if (read.ok) for (const word of read.value.split(' ')) if (/^\d{1,10}$/.test(word)) found.push(Number(word));
  }
  return found;
}
