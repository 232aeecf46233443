import type { Observed } from '../../../posture/observed.ts';
import type { Host, Read, ReadFailure } from '../../host/host.ts';
import { isFault, readText } from '../read-text.ts';
import { statTrusted } from '../trusted-path.ts';
import { containerIds } from './cgroup.ts';
import { readNamespace, readNodeNamespaces } from './node-namespaces.ts';
import type { NodeNamespaces } from './node-namespaces.ts';
import { parseStartTicks } from './proc-stat.ts';
import { parseProcStatus } from './proc-status.ts';
import { findNamedProcesses, programName, withoutDeleted } from './process-table.ts';
import type { CachedHost } from '../parse-cache.ts';
import type { NamedProcess, NodeProcess } from './process-table.ts';

/** A daemon of the node, by the name of its program. */
export type DaemonName =
  | 'containerd'
  | 'crio'
  | 'dockerd'
  | 'k3s'
  | 'kube-proxy'
  | 'kubelet'
  | 'kubelite'
  | 'podman'
  | 'sshd'
  | 'sshd-session';

/** A process that was established to be a daemon of the node. */
export interface DaemonProcess extends NodeProcess {
  /** Its program, without the mark that the kernel adds to one that was replaced. */
  readonly executable: string;
  /** The file of the program was replaced or removed after the process started. */
  readonly isReplaced: boolean;
  /** Clock ticks since boot: with the pid, this names the process. */
  readonly startTicks: number;
}

/** A process that has the name of a daemon and was not established to be the node's. */
export interface RefusedProcess extends NodeProcess {
  /**
   * - `container`: it belongs to a container, so it is a daemon of nobody but that.
   * - `foreign`: a user's process, a process of another view of the node, or another program with that name.
   * - `doubtful`: root runs it in the namespaces of the node, but its program is not to be relied on, or not visible.
   */
  readonly kind: 'container' | 'foreign' | 'doubtful';
  /** For people: `it runs as uid 1000`. */
  readonly reason: string;
}

/** All processes with the name of one daemon, each sorted by pid. */
export interface Daemons {
  readonly genuine: readonly DaemonProcess[];
  readonly refused: readonly RefusedProcess[];
}

/** The node as its pid 1 sees it, and what was found out about programs. */
interface NodeView {
  readonly namespaces: NodeNamespaces;
  /** Containers that the whole node lives in, where it is itself one: every cgroup path contains their ids. */
  readonly containers: ReadonlySet<string>;
  /** Why a program is not to be relied on; undefined: it is. */
  readonly programs: Map<string, Promise<string | undefined>>;
}

/** The namespaces in which a daemon of the node runs, with what they are called. */
const REQUIRED = [
  ['user', 'user'],
  ['mnt', 'mount'],
  ['pid', 'pid'],
] as const;

/**
 * Finds the processes that are `name` on this node: root by real, effective and saved user id, in the user, mount and
 * pid namespaces of pid 1, in the cgroup of no container, running a program of that name that only root can change.
 * Neither `comm` nor the arguments count, since every user chooses those. What fails one of these is `refused`.
 */
export async function findDaemons(access: CachedHost, name: DaemonName): Promise<Read<Daemons>> {
  const { host } = access;
  const found = await findNamedProcesses(access, new Set([name]));
  if (!found.ok) return found;
  const genuine: DaemonProcess[] = [];
  const refused: RefusedProcess[] = [];
  if (found.value.length === 0) return { ok: true, value: { genuine, refused } };
  const cgroup = await readText(host, '/proc/1/cgroup');
  const view: NodeView = {
    namespaces: await readNodeNamespaces(host),
    containers: new Set(cgroup.ok ? containerIds(cgroup.value) : []),
    programs: new Map(),
  };
  for (const candidate of found.value.toSorted((one, other) => one.pid - other.pid)) {
    const judged = await identify(host, candidate, name, view);
    if (judged === undefined) continue;
    // It may be the daemon, which then has not ended.
    if ('ok' in judged) return { ...judged, reason: `${name}, pid ${String(candidate.pid)}: ${judged.reason}` };
    if ('reason' in judged) refused.push(judged);
    else genuine.push(judged);
  }
  return { ok: true, value: { genuine, refused } };
}

/** `pid 812 is not the node's sshd: it runs as uid 1000; pid 813 …`, for the processes of these kinds. */
export function refusalText(
  { refused }: Pick<Daemons, 'refused'>,
  name: DaemonName,
  kinds: readonly RefusedProcess['kind'][],
): string | undefined {
  const named = refused.filter(({ kind }) => kinds.includes(kind));
  if (named.length === 0) return undefined;
  const shown = named.slice(0, 4).map(({ pid, reason }) => `pid ${String(pid)} is not the node's ${name}: ${reason}`);
  return [...shown, ...(named.length > 4 ? [`and ${String(named.length - 4)} more`] : [])].join('; ');
}

/** Is the process still the one that was looked at? What was read of it between may belong to another otherwise. */
export async function isStillRunning(host: Host, { pid, startTicks }: DaemonProcess): Promise<boolean> {
  return (await readStartTicks(host, pid)) === startTicks;
}

/** undefined: the process has ended. A failure: what it is cannot be read at the moment. */
async function identify(
  host: Host,
  { pid, executable }: NamedProcess,
  name: DaemonName,
  view: NodeView,
): Promise<DaemonProcess | RefusedProcess | ReadFailure | undefined> {
  const stat = await readText(host, procPath(pid, 'stat'));
  const [status, cgroup] = [
    await readText(host, procPath(pid, 'status')),
    await readText(host, procPath(pid, 'cgroup')),
  ];
  const fault = [stat, status, cgroup].find(isFault);
  if (fault !== undefined) return fault;
  const startTicks = stat.ok ? parseStartTicks(stat.value) : undefined;
  const parsed = status.ok ? parseProcStatus(status.value) : undefined;
  if (startTicks === undefined || parsed === undefined || parsed.isDead || !cgroup.ok) return undefined;
  const process = { pid, status: parsed };
  const refuse = (kind: RefusedProcess['kind'], reason: string): RefusedProcess => ({ ...process, kind, reason });
  // With --pid=host a container shares the pid namespace of the node, but never its cgroup.
  if (parsed.pidNamespaces > 1 || containerIds(cgroup.value).some((id) => !view.containers.has(id)))
    return refuse('container', 'it belongs to a container');
  if (parsed.uids.some((uid) => uid !== 0)) return refuse('foreign', userText(parsed.effectiveUid, name));
  const elsewhere = await namespaceRefusal(host, pid, view.namespaces);
  if (elsewhere === 'ended' || (!executable.ok && executable.code === 'absent')) return undefined;
  if (elsewhere !== undefined) return refuse(elsewhere.kind, elsewhere.reason);
  if (!executable.ok) return refuse('doubtful', `its executable: ${executable.reason}`);
  const path = withoutDeleted(executable.value);
  if (programName(path) !== name) return refuse('foreign', `it runs ${path}`);
  const known = view.programs.get(executable.value) ?? programRefusal(host, executable.value);
  view.programs.set(executable.value, known);
  const problem = await known;
  if (problem !== undefined) return refuse('doubtful', problem);
  const again = await readText(host, procPath(pid, 'stat'));
  if (isFault(again)) return again;
  return again.ok && parseStartTicks(again.value) === startTicks
    ? { ...process, executable: path, isReplaced: path !== executable.value, startTicks }
    : undefined;
}

async function namespaceRefusal(
  host: Host,
  pid: number,
  { inodes }: NodeNamespaces,
): Promise<Pick<RefusedProcess, 'kind' | 'reason'> | 'ended' | undefined> {
  for (const [name, word] of REQUIRED) {
    const own = await readNamespace(host, pid, name);
    const node = inodes[name];
    // A process has these links until it ends.
    if (own.state === 'absent') return 'ended';
    if (own.state === 'seen' && node.state === 'seen') {
      if (own.value !== node.value)
        return { kind: 'foreign', reason: `it is not in the ${word} namespace of the node` };
    } else return { kind: 'doubtful', reason: unreadNamespace(own.state === 'seen' ? node : own) };
  }
  return undefined;
}

function unreadNamespace(observed: Observed<number>): string {
  return `${observed.source}: ${observed.state === 'unreadable' ? observed.reason : 'not there'}`;
}

/**
 * Why a program is not to be relied on. Of one that was replaced while it runs only the directory is left: whoever could
 * put it there is who can write to that.
 */
async function programRefusal(host: Host, executable: string): Promise<string | undefined> {
  const path = withoutDeleted(executable);
  const isReplaced = path !== executable;
  const stat = await statTrusted(host, isReplaced ? path.slice(0, path.lastIndexOf('/')) || '/' : path);
  if (!stat.ok) return stat.code === 'denied' ? stat.reason : `${path}: ${stat.reason}`;
  return isReplaced || stat.value.kind === 'file' ? undefined : `${path} is not a regular file`;
}

async function readStartTicks(host: Host, pid: number): Promise<number | undefined> {
  const stat = await readText(host, procPath(pid, 'stat'));
  return stat.ok ? parseStartTicks(stat.value) : undefined;
}

const procPath = (pid: number, file: string): string => `/proc/${String(pid)}/${file}`;

function userText(uid: number, name: DaemonName): string {
  if (uid === 0) return 'only some of its user ids are 0';
  return `it runs as uid ${String(uid)}${name === 'dockerd' ? ' (rootless: the engine of that user)' : ''}`;
}
