import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import { ownKernelReason } from '../../../posture/fact/container.ts';
import type { ContainerFact, RuntimeContainer } from '../../../posture/fact/container.ts';
import { clip } from '../clip.ts';
import type { Host } from '../../host/host.ts';
import { parseProcCgroup } from '../proc/cgroup.ts';
import type { CgroupEntry } from '../proc/cgroup.ts';
import { parseUidMap } from '../proc/uid-map.ts';
import { observeText } from '../read-text.ts';
import { readContainerThreads } from './container-threads.ts';
import { readDeviceRules } from './device-rules.ts';
import { findExecs } from './execs.ts';
import { readHostPorts } from './host-ports.ts';
import { parseLimits } from '../proc/proc-limits.ts';
import {
  containerEntries,
  CPU_LIMIT,
  CPU_SET,
  CPU_WEIGHT,
  effectiveLimit,
  MEMORY_LIMIT,
  PIDS_LIMIT,
} from './limits.ts';
import type { Limit } from './limits.ts';
import { readMountNamespaces } from './mount-namespaces.ts';
import { placeContainer } from './mount-placement.ts';
import { findOwnKernel } from './own-kernel.ts';
import type { NodeView } from './node-view.ts';
import { namespacesFrom, readNested, toSecurityContexts } from './security-contexts.ts';
import { joinCapabilities, toThreadFacts } from './thread-facts.ts';

/** The part of a container fact that the kernel says. */
export type KernelSide = Pick<
  ContainerFact,
  | 'processes'
  | 'complete'
  | 'incompleteReason'
  | 'seccomp'
  | 'noNewPrivs'
  | 'capabilities'
  | 'uid'
  | 'uids'
  | 'uidMap'
  | 'lsmLabel'
  | 'namespaces'
  | 'otherContexts'
  | 'mounts'
  | 'mountNamespaces'
  | 'controlSockets'
  | 'deviceRules'
  | 'memoryMaxBytes'
  | 'pidsMax'
  | 'cpu'
  | 'podUid'
  | 'programs'
  | 'limits'
  | 'execs'
  | 'hostPorts'
  | 'ownKernel'
>;

/** A process that is known to be the first of a container. */
export interface FirstProcess {
  readonly side: RuntimeContainer;
  /** `/proc/PID/cgroup`; empty where it could not be read. */
  readonly cgroupText: string;
}

/** What the kernel says about a container. */
interface KernelReading {
  readonly kernel: KernelSide;
  /** Of the first process; 0 where it could not be read. */
  readonly parent: number;
  /** The processes that were read. */
  readonly pids: ReadonlySet<number>;
}

/** Everything the kernel says about a container; undefined where its first process is gone. */
export async function readKernelSide(view: NodeView, first: FirstProcess): Promise<KernelReading | undefined> {
  const { host } = view;
  const { cgroups } = view.node;
  const {
    cgroupText,
    side: { id, pid },
  } = first;
  const entries = parseProcCgroup(cgroupText);
  const found = await readContainerThreads(view, {
    id,
    init: pid,
    cgroupText,
    entries,
    mounts: cgroups,
    members: view.members,
    processesByContainer: view.processesByContainer,
  });
  if (found === undefined) return undefined;
  const { threads, problem } = found;
  const [isNested, uidMap, mounts, deviceRules, limits, podUid, resourceLimits] = await Promise.all([
    readNested(view, threads),
    observeText(host, `/proc/${String(pid)}/uid_map`, parseUidMap),
    readMountNamespaces(view, { pid, threads }),
    readDeviceRules(view, id, entries),
    readLimits(view, containerEntries(entries, id)),
    readPodUid(host, entries),
    observeText(host, `/proc/${String(pid)}/limits`, parseLimits),
  ]);
  const contexts = toSecurityContexts(view, { pid, threads, problem, isNested });
  const reason = problem === undefined ? (mounts.problem ?? contexts.problem) : `${problem.path}: ${problem.reason}`;
  const ownKernel = await findOwnKernel(view, { side: first.side, pid, threads, mounts: mounts.ofFirst });
  const processes = seen(found.processes, found.source);
  const parent = threads[0]?.pid === pid ? threads[0].status.parent : 0;
  const pids = new Set(threads.map((thread) => thread.pid));
  if (ownKernel.state !== 'absent') {
    const reason = ownKernel.state === 'seen' ? ownKernelReason(ownKernel.value) : ownKernel.reason;
    return { kernel: { ...unseenKernelSide(pid, reason), ownKernel, processes, ...limits, podUid }, parent, pids };
  }
  const kernel: KernelSide = {
    ownKernel,
    ...toThreadFacts(threads, problem),
    ...contexts.facts,
    capabilities: joinCapabilities(
      threads.filter((thread) => !isNested(thread)),
      problem,
    ),
    processes,
    complete: reason === undefined,
    incompleteReason: clip(reason ?? '', 512),
    uidMap,
    ...(await placeContainer(view, {
      namespaces: contexts.facts.namespaces,
      mounts: mounts.ofFirst,
      mountNamespaces: mounts.others,
    })),
    deviceRules,
    limits: resourceLimits,
    execs: findExecs(threads, pid, contexts.facts.namespaces.pid),
    hostPorts: await readHostPorts(host, view.lowPorts, threads, [
      contexts.facts.namespaces.net,
      ...contexts.facts.otherContexts.map(({ namespaces }) => namespaces.net),
    ]),
    ...limits,
    podUid,
  };
  return { kernel, parent, pids };
}

async function readLimits(
  { limits, node }: NodeView,
  entries: readonly CgroupEntry[],
): Promise<Pick<KernelSide, 'memoryMaxBytes' | 'pidsMax' | 'cpu'>> {
  const read = (limit: Limit): Promise<Observed<number>> => effectiveLimit(limits.read, limit, node.cgroups, entries);
  const [memoryMaxBytes, pidsMax, maxMillicores, weightPermille, processors] = await Promise.all([
    read(MEMORY_LIMIT),
    read(PIDS_LIMIT),
    read(CPU_LIMIT),
    read(CPU_WEIGHT),
    read(CPU_SET),
  ]);
  return { memoryMaxBytes, pidsMax, cpu: { maxMillicores, weightPermille, processors } };
}

/**
 * The facts of a container whose kernel side was not read: unreadable for `reason`, or absent without one. `stateSource`:
 * the source of the state of a container without a process (`pid` 0).
 */
export function unseenKernelSide(pid: number, reason?: string, stateSource = 'state of the container'): KernelSide {
  const at = (file: string): Observed<never> => {
    const source = pid === 0 ? stateSource : `/proc/${String(pid)}/${file}`;
    return reason === undefined ? absent(source) : unreadable(source, reason);
  };
  return {
    ownKernel: at('exe'),
    processes: at('cgroup'),
    complete: false,
    incompleteReason: clip(reason ?? 'the container ended while it was inspected', 512),
    seccomp: at('status'),
    noNewPrivs: at('status'),
    capabilities: at('status'),
    uid: at('status'),
    uids: at('status'),
    uidMap: at('uid_map'),
    lsmLabel: at('attr/current'),
    namespaces: namespacesFrom(at),
    otherContexts: [],
    mounts: at('mountinfo'),
    mountNamespaces: [],
    controlSockets: at('mountinfo'),
    deviceRules: at('cgroup'),
    memoryMaxBytes: at('cgroup'),
    pidsMax: at('cgroup'),
    cpu: { maxMillicores: at('cgroup'), weightPermille: at('cgroup'), processors: at('cgroup') },
    podUid: '',
    programs: at('status'),
    limits: at('limits'),
    execs: at('status'),
    hostPorts: at('ns/net'),
  };
}

/** `/kubepods/burstable/podUID/ID`, or `…/kubepods-burstable-podUID.slice/docker-ID.scope` with `_` for `-`. */
const POD_CGROUP = /\/kubepods[^/]*\/(?:[^/]+\/)*?(?:kubepods[\w-]*-)?pod([\da-f_-]{8,64})(?:\.slice)?\//;

/** The pod that the kubelet put the container into: anyone who starts a container can give it labels of a pod. */
async function readPodUid(host: Host, entries: readonly CgroupEntry[]): Promise<string> {
  const cgroup = entries.find(({ path }) => POD_CGROUP.test(path));
  const uid = POD_CGROUP.exec(cgroup?.path ?? '')?.[1]?.replaceAll('_', '-');
  if (uid === undefined) return '';
  // Only root can make it, and the kubelet does for each of its pods.
  const listed = await host.list(`/var/lib/kubelet/pods/${uid}`);
  return listed.ok ? uid : '';
}
