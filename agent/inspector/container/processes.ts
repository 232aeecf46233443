import type { Host, Read } from '../../host/host.ts';
import { cgroupDirectory } from '../proc/cgroup.ts';
import type { CgroupEntry, CgroupMount } from '../proc/cgroup.ts';
import { liveDirectory, readCgroupText } from '../proc/live-thread.ts';
import type { NamespaceMembers } from '../proc/namespace-members.ts';
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
  /** The processes of the node that are in mount namespaces of their own. */
  readonly members: NamespaceMembers;
  /** See `readProcessCgroups`. */
  readonly processesByContainer: () => Promise<Read<ReadonlyMap<string, readonly number[]>>>;
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
 * The processes of a container: those in its cgroup and in those below it, which holds what `docker exec` brought in, and
 * those outside of it that are in its mount and pid namespace, as root of the node can start them (nsenter). Where the
 * first process is not in the cgroup that names the container, or lists of cgroups show no processes, by other signs.
 */
export async function findProcesses(host: Host, question: ProcessQuestion): Promise<ContainerProcesses> {
  const tops = BOTH.flatMap((hierarchy) => topOf(question, hierarchy) ?? []);
  const fallback = tops.length > 0 ? undefined : OTHERS.map((hierarchy) => topOf(question, hierarchy)).find(Boolean);
  const all = fallback === undefined ? tops : [fallback];
  const found = all.length === 0 ? undefined : await readCgroups(host, all);
  if (found?.pids.includes(question.init) !== true) return findOutsideCgroup(host, question);
  return withOutsiders(host, question, found);
}

/** Adds processes that are in the namespaces of the container and not in its cgroup. */
async function withOutsiders(
  host: Host,
  question: ProcessQuestion,
  found: ContainerProcesses,
): Promise<ContainerProcesses> {
  const { members, init } = question;
  const known = new Set(found.pids);
  const namespace = members.namespaceOf.get(init);
  const candidates = (namespace === undefined ? [] : (members.processes.get(namespace) ?? [])).filter(
    (pid) => !known.has(pid),
  );
  const isComplete = found.isComplete && members.problem === undefined;
  if (candidates.length === 0 && isComplete) return found;
  const own = await namespacesOf(host, members.deadLeaders.get(init) ?? `/proc/${String(init)}`);
  const outsiders: number[] = [];
  for (const pid of candidates.slice(0, MAX_PROCESSES))
    if (own !== undefined && (await isIn(host, question, pid, own))) outsiders.push(pid);
  return {
    ...found,
    pids: [...found.pids, ...outsiders],
    isComplete: isComplete && candidates.length <= MAX_PROCESSES,
    listAgain: async (isThorough) => withOutsiders(host, question, await found.listAgain(isThorough)),
  };
}

/** The mount and the pid namespace of a process, `mnt:[4026532270] pid:[4026532273]`; undefined: it has ended. */
async function namespacesOf(host: Host, directory: string): Promise<string | undefined> {
  const mount = await host.readLink(`${directory}/ns/mnt`);
  const pid = await host.readLink(`${directory}/ns/pid`);
  return mount.ok && pid.ok ? `${mount.value} ${pid.value}` : undefined;
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
 * Where no cgroup is known that holds the first process and names the container: the processes whose cgroup names it,
 * those in the namespaces of the first process, its siblings in its own cgroup (an engine without cgroups puts what `exec`
 * starts there), and what any of these started.
 */
async function findOutsideCgroup(host: Host, question: ProcessQuestion): Promise<ContainerProcesses> {
  const { id, init, cgroupText, members } = question;
  const own = await namespacesOf(host, (await liveDirectory(host, init)) ?? `/proc/${String(init)}`);
  const named = await question.processesByContainer();
  const namespace = members.namespaceOf.get(init);
  const inside = namespace === undefined ? [] : (members.processes.get(namespace) ?? []);
  const siblings = new Set(await siblingsOf(host, init));
  const candidates = new Set([...((named.ok ? named.value.get(id) : undefined) ?? []), ...inside, ...siblings]);
  const pids = new Set([init]);
  for (const pid of candidates) {
    const cgroup = await readText(host, `/proc/${String(pid)}/cgroup`);
    const text = cgroup.ok ? cgroup.value : '';
    const isSibling = siblings.has(pid) && text === cgroupText;
    if (text.includes(id) || isSibling || (own !== undefined && (await isIn(host, question, pid, own)))) pids.add(pid);
  }
  const isListed = own !== undefined && named.ok && members.problem === undefined;
  const isComplete = (await addDescendants(host, pids)) && isListed;
  return {
    pids: [...pids].slice(0, MAX_PROCESSES),
    source: '/proc/*/cgroup',
    isComplete: isComplete && pids.size <= MAX_PROCESSES,
    listAgain: async () => {
      // The number of the first process may belong to another by now.
      const cgroup = await readCgroupText(host, init, (text) => text === cgroupText);
      const again = await findOutsideCgroup(host, question);
      return cgroup.ok && cgroup.value === cgroupText ? again : { ...again, pids: [] };
    },
  };
}

async function isIn(host: Host, { members }: ProcessQuestion, pid: number, own: string): Promise<boolean> {
  return (await namespacesOf(host, members.deadLeaders.get(pid) ?? `/proc/${String(pid)}`)) === own;
}

/** Children of the parent of a process; empty where the parent is the first process of the node. */
async function siblingsOf(host: Host, pid: number): Promise<readonly number[]> {
  const status = await readText(host, `/proc/${String(pid)}/status`);
  const parent = (status.ok ? parseProcStatus(status.value)?.parent : undefined) ?? 0;
  return parent <= 1 ? [] : ((await children(host, parent)) ?? []);
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
