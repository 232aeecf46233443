import type { Host, Read } from '../../host/host.ts';
import { clip } from '../clip.ts';
import { parseNullTerminated } from '../proc/null-terminated.ts';
import { parseProcStatus } from '../proc/proc-status.ts';
import { readProcessTable } from '../proc/process-table.ts';
import { liveDirectory } from '../proc/live-thread.ts';
import { readNamespaceMembers } from '../proc/namespace-members.ts';
import { readNodeNamespaces } from '../proc/node-namespaces.ts';
import type { CachedHost } from '../parse-cache.ts';
import { findHandMade } from './hand-made.ts';
import type { FirstProcesses, NamedProcess } from '../proc/process-table.ts';
import { isFault, readText } from '../read-text.ts';
import { belongsToUser } from '../../runtime/user-runtime.ts';

/** A container that the kernel shows, whatever an engine says. */
export interface RunningContainer {
  /** As its cgroup, or the program that supervises it, names it. */
  readonly id: string;
  readonly name: string;
  /** A process of it; of one that is only known by its supervisor, that. */
  readonly pid: number;
  /** How it was recognised, for people. */
  readonly sign: string;
  /** Podman started it: that needs no service, so there may be nobody to ask. */
  readonly isOfPodman: boolean;
}

/** Containers of one user that are listed by their supervisors: a user could make ever more of them. */
const MAX_OF_USER = 20;
/** Limit of containers that are distinguished on one node. */
const MAX_CONTAINERS = 10_000;

/**
 * Programs that stay beside a container as long as it runs. Cgroups name most containers; these name the others: `ctr`
 * lets people choose ids, and podman and runc can do without cgroups.
 */
const SUPERVISORS: ReadonlySet<string> = new Set([
  'containerd-shim',
  'containerd-shim-runc-v1',
  'containerd-shim-runc-v2',
  'conmon',
  'crun',
  'runc',
]);

/** Ids of Docker, containerd, CRI-O and Podman; names of LXC and systemd-nspawn. */
const CONTAINER_CGROUP = /[\da-f]{64}|(?<=\/lxc\.payload\.)[^/\n]+|(?<=\/systemd-nspawn@)[^/\n]+(?=\.service)/g;

/** Podman names cgroups so. */
const PODMAN_CGROUP = /\/libpod-[\da-f]{64}/;

/** The containers that are not searched for. */
export interface KnownContainers {
  readonly ids: ReadonlySet<string>;
  /** Containers of rootless engines, with the user: an id is known only in cgroups of processes of that user. */
  readonly ofUsers: ReadonlyMap<string, number>;
  /** First processes of them that were read in this round, each in the cgroup of its container, with their parents. */
  readonly firstProcesses: FirstProcesses;
}

/**
 * The containers whose processes the kernel shows, but the known ones. A process that is in the cgroup of a known
 * container belongs to that, whatever other ids its cgroup has: an engine may run in a container.
 */
export async function findRunningContainers(
  access: CachedHost,
  known: KnownContainers,
): Promise<Read<readonly RunningContainer[]>> {
  const { host } = access;
  const table = await readProcessTable(access);
  if (!table.ok) return table;
  const own = await ownIds(host);
  const namespaces = await readNodeNamespaces(host);
  const members = await readNamespaceMembers(access, namespaces.inodes.mnt);
  const supervisors = supervisorsAmong(table.value, known.firstProcesses);
  const isSettled = ({ pid }: NamedProcess): boolean => known.firstProcesses.has(pid) || supervisors.ofKnown.has(pid);
  const pids = table.value.filter((process) => !isSettled(process)).map(({ pid }) => pid);
  const cgroups = await host.readMany(
    pids.map((pid) => ({ op: 'readFile', path: `${members.deadLeaders.get(pid) ?? `/proc/${String(pid)}`}/cgroup` })),
  );
  const found = new Map<string, RunningContainer>();
  // Processes that were started together have the same cgroup, and most belong to no container.
  const seen = new Set<string>();
  for (const [index, cgroup] of cgroups.entries()) {
    // It may be in the cgroup of a container that nobody lists.
    if (isFault(cgroup)) return { ...cgroup, reason: `/proc/${String(pids[index])}/cgroup: ${cgroup.reason}` };
    if (!cgroup.ok || !Buffer.isBuffer(cgroup.value)) continue;
    const text = cgroup.value.toString('latin1');
    if (seen.has(text)) continue;
    seen.add(text);
    const id = strangerIn(text, known.ids, own);
    if (id === undefined || found.has(id) || found.size >= MAX_CONTAINERS) continue;
    if (await isOfUser(host, text, pids[index] ?? 0, known.ofUsers)) continue;
    found.set(id, {
      id: clip(id, 128),
      name: '',
      pid: pids[index] ?? 0,
      sign: 'a cgroup of that name has processes',
      isOfPodman: PODMAN_CGROUP.test(text),
    });
  }
  const supervised = await findSupervised(host, supervisors.others, known, own);
  for (const container of supervised) {
    const before = found.get(container.id);
    if (before !== undefined) found.set(container.id, { ...before, name: before.name || container.name });
    else if (found.size < MAX_CONTAINERS) found.set(container.id, container);
  }
  const byHand = await findHandMade(host, {
    members,
    ofNode: namespaces.inodes.user,
    isKnown: (cgroup) => (cgroup.match(CONTAINER_CGROUP) ?? []).length > 0,
    parents: new Set([...known.firstProcesses.keys(), ...supervisors.ofKnown, ...supervisors.others]),
  });
  for (const container of byHand) if (found.size < MAX_CONTAINERS) found.set(container.id, container);
  return { ok: true, value: [...found.values()] };
}

/**
 * The supervisors, apart by whether the first process of a known container is a child of theirs. A supervisor is started
 * for one container, or for the containers of one pod, all of which its engine lists.
 */
function supervisorsAmong(
  table: readonly NamedProcess[],
  firstProcesses: FirstProcesses,
): { readonly ofKnown: ReadonlySet<number>; readonly others: readonly number[] } {
  const parents = new Set(firstProcesses.values());
  const ofKnown = new Set<number>();
  const others: number[] = [];
  for (const { pid, comm, program } of table) {
    if (SUPERVISORS.has(program) && parents.has(pid)) ofKnown.add(pid);
    else if (SUPERVISORS.has(comm) || SUPERVISORS.has(program)) others.push(pid);
  }
  return { ofKnown, others };
}

/** Is a process still there, and in the cgroup or pid namespace or beside the supervisor that it was found by? */
export async function isStillRunning(host: Host, { id, pid }: Pick<RunningContainer, 'id' | 'pid'>): Promise<boolean> {
  const status = await readText(host, `/proc/${String(pid)}/status`);
  const parsed = status.ok ? parseProcStatus(status.value) : undefined;
  const directory = parsed?.isDead === true ? await liveDirectory(host, pid) : `/proc/${String(pid)}`;
  if (parsed === undefined || directory === undefined) return false;
  const cgroup = await readText(host, `${directory}/cgroup`);
  if (cgroup.ok && cgroup.value.includes(id)) return true;
  const namespace = await host.readLink(`${directory}/ns/pid`);
  if (namespace.ok && namespace.value === id) return true;
  const cmdline = await readText(host, `/proc/${String(pid)}/cmdline`);
  return cmdline.ok && parseNullTerminated(cmdline.value).includes(id);
}

/** Containers that the node itself, or the agent, lives in: their ids are in every cgroup path, or in the agent's. */
async function ownIds(host: Host): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  for (const pid of ['1', 'self']) {
    const cgroup = await readText(host, `/proc/${pid}/cgroup`);
    for (const [id] of cgroup.ok ? cgroup.value.matchAll(CONTAINER_CGROUP) : []) ids.add(id);
  }
  return ids;
}

/** The innermost container that a cgroup names, unless one of those that it names is known. */
function strangerIn(cgroup: string, known: ReadonlySet<string>, own: ReadonlySet<string>): string | undefined {
  let stranger: string | undefined;
  for (const [id] of cgroup.matchAll(CONTAINER_CGROUP)) {
    if (known.has(id)) return undefined;
    if (!own.has(id)) stranger = id;
  }
  return stranger;
}

/** Does the cgroup name a container of a rootless engine, and does the process run as its user? */
async function isOfUser(
  host: Host,
  cgroup: string,
  pid: number,
  ofUsers: KnownContainers['ofUsers'],
): Promise<boolean> {
  for (const [id] of cgroup.matchAll(CONTAINER_CGROUP)) {
    const uid = ofUsers.get(id);
    if (uid !== undefined && (await belongsToUser(host, pid, uid))) return true;
  }
  return false;
}

async function findSupervised(
  host: Host,
  supervisors: readonly number[],
  { ids: known, ofUsers }: KnownContainers,
  own: ReadonlySet<string>,
): Promise<readonly RunningContainer[]> {
  const found: RunningContainer[] = [];
  const byUser = new Map<number, number>();
  for (const pid of supervisors) {
    const cmdline = await readText(host, `/proc/${String(pid)}/cmdline`);
    const args = cmdline.ok ? parseNullTerminated(cmdline.value) : [];
    const supervised = supervisedBy(args);
    if (supervised === undefined || known.has(supervised.id) || own.has(supervised.id)) continue;
    const cgroup = await readText(host, `/proc/${String(pid)}/cgroup`);
    // A supervisor in a known container is one of an engine in that container.
    if (cgroup.ok && (cgroup.value.match(CONTAINER_CGROUP) ?? []).some((id) => known.has(id))) continue;
    const status = await readText(host, `/proc/${String(pid)}/status`);
    const uid = status.ok ? parseProcStatus(status.value)?.effectiveUid : undefined;
    if (uid === undefined || ofUsers.get(supervised.id) === uid) continue;
    const children = await childrenOf(host, pid);
    if (children.length === 0) continue;
    if (uid !== 0) {
      // Any user may call a program so: what it started must be apart from the node, and each user has a limit.
      if (!(await anyIsApart(host, children))) continue;
      const before = byUser.get(uid) ?? 0;
      byUser.set(uid, before + 1);
      if (before >= MAX_OF_USER) continue;
    }
    const sign = `${supervised.program} ${uid === 0 ? '' : `of uid ${String(uid)} `}supervises it`;
    found.push({ ...supervised, pid, sign, isOfPodman: args.some(isPodman) });
  }
  return found;
}

/** Is one of these processes in a pid or mount namespace that is not the one of pid 1, and not that of its parent? */
async function anyIsApart(host: Host, pids: readonly number[]): Promise<boolean> {
  for (const pid of pids) {
    const own = await host.readLink(`/proc/${String(pid)}/ns/pid`);
    const ofNode = await host.readLink('/proc/1/ns/pid');
    const mount = await host.readLink(`/proc/${String(pid)}/ns/mnt`);
    const status = await readText(host, `/proc/${String(pid)}/status`);
    const parent = status.ok ? parseProcStatus(status.value)?.parent : undefined;
    const ofParent = await host.readLink(`/proc/${String(parent ?? 1)}/ns/mnt`);
    if (own.ok && ofNode.ok && own.value !== ofNode.value) return true;
    if (mount.ok && ofParent.ok && mount.value !== ofParent.value) return true;
  }
  return false;
}

/** conmon is handed the program that cleans up after the container: `--exit-command /usr/bin/podman`. */
function isPodman(arg: string): boolean {
  return arg.endsWith('/podman');
}

interface Supervised {
  readonly id: string;
  readonly name: string;
  readonly program: string;
}

/**
 * What a supervisor supervises: `containerd-shim-runc-v2 -namespace NS -id ID`, `conmon -c ID -n NAME`, `runc run ID`.
 * undefined: a call of `runc` that does something else.
 */
export function supervisedBy(args: readonly string[]): Supervised | undefined {
  const [path = ''] = args;
  const program = clip(path.slice(path.lastIndexOf('/') + 1), 64);
  const after = (...flags: readonly string[]): string => {
    const at = args.findIndex((arg) => flags.includes(arg));
    return at === -1 ? '' : clip(args[at + 1] ?? '', 128);
  };
  if (program.startsWith('containerd-shim')) {
    const namespace = after('-namespace', '--namespace');
    const id = after('-id', '--id');
    return id === '' ? undefined : { id, name: namespace === '' ? id : `${namespace}/${id}`, program };
  }
  if (program === 'conmon') {
    const id = after('-c', '--cid');
    return id === '' ? undefined : { id, name: after('-n', '--name'), program };
  }
  const id = clip(args.at(-1) ?? '', 128);
  return args.includes('run') && id !== 'run' && !id.startsWith('-') ? { id, name: id, program } : undefined;
}

/** A shim can outlive its container for a moment: then it has none. */
async function childrenOf(host: Host, pid: number): Promise<readonly number[]> {
  const threads = await host.list(`/proc/${String(pid)}/task`);
  const found: number[] = [];
  for (const thread of threads.ok ? threads.value : []) {
    const children = await readText(host, `/proc/${String(pid)}/task/${thread}/children`);
    if (children.ok) found.push(...(children.value.match(/\d+/g) ?? []).map(Number));
  }
  return found;
}
