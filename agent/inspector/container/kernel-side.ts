import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import type { ContainerFact, Mount, NamespaceName } from '../../../posture/fact/container.ts';
import { clip } from '../clip.ts';
import { parseProcCgroup } from '../proc/cgroup.ts';
import { parseMountinfo } from '../proc/mountinfo.ts';
import { MAX_MOUNTINFO_BYTES } from '../proc/node-mounts.ts';
import { NAMESPACES, readNamespace } from '../proc/node-namespaces.ts';
import { parseUidMap } from '../proc/uid-map.ts';
import { observeText, unseen } from '../read-text.ts';
import { effectiveLimit, MEMORY_LIMIT, PIDS_LIMIT } from './limits.ts';
import type { NodeView } from './node-view.ts';
import { findProcesses } from './processes.ts';
import { toThreadFacts } from './thread-facts.ts';
import { readThreads } from './threads.ts';

const MAX_MOUNTS = 20_000;

/** The part of a container fact that the kernel says. */
export type KernelSide = Pick<
  ContainerFact,
  | 'processes'
  | 'complete'
  | 'seccomp'
  | 'noNewPrivs'
  | 'capabilities'
  | 'uid'
  | 'uidMap'
  | 'lsmLabel'
  | 'namespaces'
  | 'mounts'
  | 'memoryMaxBytes'
  | 'pidsMax'
  | 'programs'
>;

/** A process that is known to be the first of a container. */
export interface FirstProcess {
  readonly id: string;
  readonly pid: number;
  /** `/proc/PID/cgroup`; empty where it could not be read. */
  readonly cgroupText: string;
}

/** Everything the kernel says about a container; undefined where its first process is gone. */
export async function readKernelSide(view: NodeView, first: FirstProcess): Promise<KernelSide | undefined> {
  const { host } = view;
  const { cgroups } = view.node;
  const { id, pid, cgroupText } = first;
  const entries = parseProcCgroup(cgroupText);
  const processes = await findProcesses(host, { id, init: pid, cgroupText, entries, mounts: cgroups });
  const readings = await readThreads(host, pid, processes.pids);
  if (readings === undefined) return undefined;
  const [uidMap, lsmLabel, namespaces, mounts, memoryMaxBytes, pidsMax] = await Promise.all([
    observeText(host, `/proc/${String(pid)}/uid_map`, parseUidMap),
    readLabel(view, pid),
    readNamespaces(view, pid),
    readMounts(view, id, `/proc/${String(pid)}/mountinfo`),
    effectiveLimit(view.limits.read, MEMORY_LIMIT, cgroups, entries),
    effectiveLimit(view.limits.read, PIDS_LIMIT, cgroups, entries),
  ]);
  const status = `/proc/${String(pid)}/status`;
  const own = readings.threads.find(({ path }) => path === status);
  return {
    ...toThreadFacts(readings),
    processes: seen(processes.pids.length, processes.source),
    complete: processes.isComplete && readings.isComplete,
    uid:
      own === undefined
        ? unreadable(status, readings.problem?.reason ?? 'its main thread has ended')
        : seen(own.status.effectiveUid, status),
    uidMap,
    lsmLabel,
    namespaces,
    mounts,
    memoryMaxBytes,
    pidsMax,
  };
}

/** Nothing of it could be seen, for one reason; or, without a reason, all of it is gone. */
export function unseenKernelSide(pid: number, reason?: string): KernelSide {
  const at = (file: string): Observed<never> => {
    const source = `/proc/${String(pid)}/${file}`;
    return reason === undefined ? absent(source) : unreadable(source, reason);
  };
  const namespace = (name: NamespaceName): Observed<never> => at(`ns/${name}`);
  return {
    processes: at('cgroup'),
    complete: false,
    seccomp: at('status'),
    noNewPrivs: at('status'),
    capabilities: at('status'),
    uid: at('status'),
    uidMap: at('uid_map'),
    lsmLabel: at('attr/current'),
    namespaces: {
      cgroup: namespace('cgroup'),
      ipc: namespace('ipc'),
      mnt: namespace('mnt'),
      net: namespace('net'),
      pid: namespace('pid'),
      user: namespace('user'),
      uts: namespace('uts'),
    },
    mounts: at('mountinfo'),
    memoryMaxBytes: at('cgroup'),
    pidsMax: at('cgroup'),
    programs: at('status'),
  };
}

/**
 * `/proc/PID/attr/current`, proc_pid_attr(5): `docker-default (enforce)`, or an SELinux context with a NUL after it.
 */
async function readLabel({ host, node: { labelFile } }: NodeView, pid: number): Promise<Observed<string>> {
  const path = `/proc/${String(pid)}/${labelFile ?? 'attr/current'}`;
  if (labelFile === undefined) return absent(path);
  const label = await observeText(host, path, parseLabel);
  if (label.state === 'unreadable' && label.reason.includes('EINVAL')) return absent(path);
  return label.state === 'seen' && label.value === '' ? absent(path) : label;
}

function parseLabel(text: string): string {
  const end = text.search(/[\0\n]/);
  return clip(end === -1 ? text : text.slice(0, end), 1024);
}

async function readNamespaces(view: NodeView, pid: number): Promise<ContainerFact['namespaces']> {
  const found: Partial<Record<NamespaceName, ContainerFact['namespaces'][NamespaceName]>> = {};
  // One after the other: each is a system call of a few microseconds, and a promise for each costs as much.
  for (const name of NAMESPACES) {
    const own = await readNamespace(view.host, pid, name);
    found[name] = own.state === 'seen' ? besideNode(own, view.node.namespaces.inodes[name]) : own;
  }
  return found as ContainerFact['namespaces'];
}

function besideNode(
  own: Extract<Observed<number>, { readonly state: 'seen' }>,
  node: Observed<number>,
): ContainerFact['namespaces'][NamespaceName] {
  if (node.state === 'seen') return seen({ inode: own.value, host: own.value === node.value }, own.source);
  const why = node.state === 'absent' ? 'there is no such file' : node.reason;
  return unreadable(own.source, `it cannot be compared with ${node.source}: ${why}`);
}

async function readMounts({ host, recall }: NodeView, id: string, path: string): Promise<Observed<readonly Mount[]>> {
  const read = await host.readFile(path, { maxBytes: MAX_MOUNTINFO_BYTES });
  if (!read.ok) return unseen(read, path);
  const mounts = recall.parsed(id, 'mountinfo', read.value, (text) => toMounts(text, recall.word));
  if (mounts === undefined) return unreadable(path, `more than ${String(MAX_MOUNTS)} mounts`);
  // Every live process has mounts; one that is being taken down has an empty table.
  return mounts.length === 0 ? absent(path) : seen(mounts, path);
}

/** undefined: more than are kept. */
function toMounts(text: Buffer, word: (text: string) => string): readonly Mount[] | undefined {
  const entries = parseMountinfo(text.toString('utf8'));
  return entries.length > MAX_MOUNTS ? undefined : entries.map((entry) => toMount(entry, word));
}

function toMount(entry: ReturnType<typeof parseMountinfo>[number], word: (text: string) => string): Mount {
  return {
    root: word(clip(entry.root, 4096)),
    mountPoint: word(clip(entry.mountPoint, 4096)),
    readOnly: entry.readOnly,
    shared: entry.shared,
    fsType: word(clip(entry.fsType, 64)),
    source: word(clip(entry.source, 4096)),
    device: word(clip(entry.device, 32)),
  };
}
