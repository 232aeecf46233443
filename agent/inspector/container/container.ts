import { setTimeout as sleep } from 'node:timers/promises';
import { sourceOf } from '../../../posture/fact/container.ts';
import type { ContainerFact, RuntimeContainer } from '../../../posture/fact/container.ts';
import { sameValue } from '../../same-value.ts';
import type { ContainerRuntime, ListedContainer, Reply } from '../../runtime/runtime.ts';
import { readCgroupText } from '../proc/live-thread.ts';
import type { CacheKey } from '../parse-cache.ts';
import type { MountTable } from '../proc/mount-table.ts';
import { mayBeRenamed } from './control-sockets.ts';
import type { ControlSockets } from './control-sockets.ts';
import { podOfName } from './kubelet-name.ts';
import { placeContainer } from './mount-placement.ts';
import { kindOfHandler, namesContainer, wordsOfHandler } from './own-kernel.ts';
import { readKernelSide, unseenKernelSide } from './kernel-side.ts';
import type { KernelSide } from './kernel-side.ts';
import type { NodeView } from './node-view.ts';
import { isUnchanged, recordReads } from './read-set.ts';
import type { ReadSet } from './read-set.ts';

/** The outcome of inspecting one container. `failed`: it may run, but the runtime did not answer about it. */
export type Inspection =
  | { readonly outcome: 'found'; readonly container: ContainerFact; readonly firstProcess?: ConfirmedProcess }
  | { readonly outcome: 'gone' }
  /** `engineAbsent`: nobody listens at the endpoint of the runtime, so it starts no containers now. */
  | {
      readonly outcome: 'failed';
      readonly reason: string;
      readonly engineAbsent: boolean;
      /** A sandbox that may be idle or not: that could not be read. */
      readonly isSandbox?: true;
    };

/** The first process of a container that runs: its cgroup names the container. */
export interface ConfirmedProcess {
  readonly pid: number;
  readonly parent: number;
}

/** What the runtime says about a container. */
export type RuntimeAnswer =
  { readonly outcome: 'found'; readonly side: RuntimeContainer } | Exclude<Inspection, { readonly outcome: 'found' }>;

/** The kernel's side, and the reads that it was made from; without a `readSet` it is not kept for the next look. */
interface Reading {
  readonly kernel: KernelSide;
  readonly readSet: ReadSet | undefined;
  /** The processes that it was read from. */
  readonly pids: ReadonlySet<number>;
  readonly firstProcess?: ConfirmedProcess;
  /** Of one that uses the network of the node: the low ports that were listened on. */
  readonly lowPorts?: LowPorts;
}

type LowPorts = Awaited<ReturnType<NodeView['lowPorts']>>;

/** How a container was seen, kept until it is looked at again. */
interface Kept {
  readonly side: RuntimeContainer;
  readonly readSet: ReadSet;
  readonly container: ContainerFact;
  readonly pids: ReadonlySet<number>;
  readonly firstProcess: ConfirmedProcess | undefined;
  readonly nodeMounts: MountTable | undefined;
  readonly sockets: ControlSockets;
  readonly lowPorts: LowPorts | undefined;
}

const KEPT: CacheKey<Kept | undefined> = Object.freeze({ name: 'readSet' });

/** A process may end, and its number go to another, between the runtime's answer and the look at /proc. */
const MAX_ATTEMPTS = 3;

/**
 * What runc calls itself in the container until it becomes the program of the container, or of an exec
 * (libcontainer/nsenter/nsexec.c). The engine says that the container runs a moment before that; on a busy node it is
 * some ten milliseconds, in which threads of runc still hold every capability and have no filter.
 */
const STARTING = /^runc:\[\d:[A-Z]+\]$/;
/** A program can call itself so: after these waits it is taken as it is, and the next time at once. */
const START_WAITS_MS: readonly number[] = [20, 50, 100, 200, 400];

/**
 * Inspects one container; `answer`: what the runtime says about it, asked just now. Where the runtime fails to answer,
 * nothing is made up from what it said `before`: the container may have been started anew or changed meanwhile.
 */
export async function inspectContainer(
  runtime: ContainerRuntime,
  view: NodeView,
  id: string,
  before?: ContainerFact,
  answer?: RuntimeAnswer,
): Promise<Inspection> {
  const isEvent = answer === undefined;
  let told = answer;
  let lastPid = 0;
  let last: RuntimeContainer | undefined;
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    told ??= await askAbout(runtime, view, { id, revision: '' });
    if (told.outcome === 'gone' && last !== undefined && isEvent && before === undefined) return endedEarly(last);
    if (told.outcome !== 'found') return told;
    if (told.side.pid === 0) return keepStopped(told.side, before);
    last = told.side;
    told = undefined;
    const kept = await stillSo(view, last);
    if (kept !== undefined) return found(kept.container, kept.firstProcess);
    const reading = await readStarted(view, last, last.pid === lastPid, before);
    if (reading !== undefined) return found(keep(view, last, reading, before), reading.firstProcess);
    lastPid = last.pid;
  }
  // It starts again and again, faster than it can be looked at.
  return last === undefined
    ? { outcome: 'gone' }
    : { outcome: 'found', container: joinSides(last, unseenKernelSide(last.pid)) };
}

/**
 * A container that an event was about and that is over already: what it was started with, such as `--privileged`, is
 * known. The event of its end follows, and removes it.
 */
function endedEarly(side: RuntimeContainer): Inspection {
  return found(joinSides(side, unseenKernelSide(side.pid, 'it ended before its processes could be read')), undefined);
}

function found(container: ContainerFact, firstProcess: ConfirmedProcess | undefined): Inspection {
  return { outcome: 'found', container, ...(firstProcess === undefined ? {} : { firstProcess }) };
}

/** The fact of a container. Where the runtime knows pods, it says which one; otherwise cgroup and name together do. */
function joinSides(side: RuntimeContainer, kernel: KernelSide): ContainerFact {
  if (side.podUid !== '') return { ...side, ...kernel, podUid: side.podUid };
  return { ...side, ...kernel, ...podOfName(side.name, kernel.podUid) };
}

function keepStopped(side: RuntimeContainer, before: ContainerFact | undefined): Inspection {
  const fresh = joinSides(side, unseenKernelSide(0, 'the container does not run', sourceOf(side, 'state')));
  return { outcome: 'found', container: before !== undefined && sameValue(before, fresh) ? before : fresh };
}

/** The container as it was seen last, where the runtime and the kernel still say the same about it. */
async function stillSo(view: NodeView, side: RuntimeContainer): Promise<Kept | undefined> {
  const kept = view.cache.get(side.id, KEPT);
  if (kept?.side !== side || hasOutsider(view, kept) || !(await isUnchanged(view, kept.readSet))) return undefined;
  if (kept.lowPorts !== undefined && !isSamePorts(kept.lowPorts, await view.lowPorts())) return undefined;
  const isPlaced = kept.nodeMounts === mountTable(view) && kept.sockets === view.sockets;
  if (isPlaced && !mayBeRenamed(view.sockets)) return kept;
  const container = await placedAnew(view, kept.container);
  const placed = { ...kept, container, nodeMounts: mountTable(view), sockets: view.sockets };
  view.cache.set(side.id, KEPT, placed);
  return placed;
}

/** Is a process in its mount namespace that it was not read from? */
function hasOutsider({ members }: NodeView, { side, pids }: Kept): boolean {
  const namespace = members.namespaceOf.get(side.pid);
  const inside = namespace === undefined ? undefined : members.processes.get(namespace);
  return inside?.some((pid) => !pids.has(pid)) === true;
}

/** A list that was not read may have been another one. */
function isSamePorts(one: LowPorts, other: LowPorts): boolean {
  return one.ok && other.ok && one.value === other.value;
}

/** Where its mounts are on the node follows from the mounts and sockets of the node too, which change on their own. */
async function placedAnew(view: NodeView, container: ContainerFact): Promise<ContainerFact> {
  const placed = { ...container, ...(await placeContainer(view, container)) };
  return sameValue(placed, container) ? container : placed;
}

function mountTable({ mounts }: NodeView): MountTable | undefined {
  return mounts.ok ? mounts.value : undefined;
}

/** Of a container that reads as before there is one object: hundreds that say the same would fill the memory. */
function keep(
  view: NodeView,
  side: RuntimeContainer,
  { kernel, readSet, pids, firstProcess, lowPorts }: Reading,
  before: ContainerFact | undefined,
): ContainerFact {
  const fresh = joinSides(side, kernel);
  const container = before !== undefined && sameValue(before, fresh) ? before : fresh;
  const kept =
    readSet === undefined
      ? undefined
      : { side, readSet, container, pids, firstProcess, nodeMounts: mountTable(view), sockets: view.sockets, lowPorts };
  view.cache.set(side.id, KEPT, kept);
  return container;
}

/** The kernel's side once no process of the container is still being started. */
async function readStarted(
  view: NodeView,
  side: RuntimeContainer,
  isRepeated: boolean,
  before: ContainerFact | undefined,
): Promise<Reading | undefined> {
  let reading = await readConfirmed(view, side, isRepeated);
  if (before !== undefined && before.pid === side.pid && isStarting(before)) return reading;
  for (const waitMs of START_WAITS_MS) {
    if (reading === undefined || !isStarting(reading.kernel)) break;
    await sleep(waitMs);
    reading = await readConfirmed(view, side, isRepeated);
  }
  return reading;
}

function isStarting({ programs }: Pick<ContainerFact, 'programs'>): boolean {
  return programs.state === 'seen' && programs.value.some((name) => STARTING.test(name));
}

/**
 * The kernel's side, if the process is the container's: its cgroup names the container. Where it does not (an engine
 * without cgroups), the word of the runtime is taken when it is given twice, and only where all processes of the
 * machine are visible: in another pid namespace the same number would be another process. undefined: ask again.
 */
async function readConfirmed(
  plain: NodeView,
  side: RuntimeContainer,
  isRepeated: boolean,
): Promise<Reading | undefined> {
  const { id, pid, handler } = side;
  const { view, readSet } = recordReads(plain, id);
  const cgroup = await readCgroupText(view.host, pid, (text) => isNamedThroughout(text, id));
  const isGone = !cgroup.ok && cgroup.code === 'absent';
  const ids =
    handler.sandbox === '' || kindOfHandler(wordsOfHandler(handler)) === undefined ? [id] : [id, handler.sandbox];
  const isNamed = cgroup.ok && ids.some((each) => cgroup.value.includes(each));
  if ((isGone || !isNamed) && !isRepeated) return undefined;
  const unseen = (reason: string): Reading => ({
    kernel: unseenKernelSide(pid, reason),
    readSet: undefined,
    pids: new Set(),
  });
  if (isGone) return unseen('the runtime says that it runs, but it is not visible here (pid namespace, hidepid)');
  if (!isNamed && !view.node.namespaces.seesAll)
    return unseen('its cgroup does not name the container, so it may be another process');
  const mayBeVirtual = !isNamed && kindOfHandler(wordsOfHandler(handler)) !== undefined;
  if (mayBeVirtual && !(await namesContainer(view.host, pid, side)))
    return unseen('neither its cgroup nor its arguments name the container: the number may count in a virtual machine');
  const reading = await readKernelSide(view, { side, cgroupText: cgroup.ok ? cgroup.value : '' });
  if (reading === undefined) return undefined;
  const { kernel, parent, pids } = reading;
  // What only the second answer of the runtime confirmed is to be confirmed again.
  return {
    kernel,
    readSet: isRepeated ? undefined : readSet(),
    pids,
    ...(isNamed ? { firstProcess: { pid, parent } } : {}),
    ...(kernel.hostPorts.state === 'absent' ? {} : { lowPorts: await view.lowPorts() }),
  };
}

/** Does every hierarchy name the container? The main thread that has ended is at the top of those of version 1. */
function isNamedThroughout(cgroupText: string, id: string): boolean {
  return cgroupText.split('\n').every((line) => line === '' || line.includes(id));
}

/** What a runtime said about a container, and the revision that its list had before. */
interface KeptAnswer {
  readonly runtime: ContainerRuntime;
  readonly revision: string;
  readonly answer: RuntimeAnswer;
}

const ANSWER: CacheKey<KeptAnswer | undefined> = Object.freeze({ name: 'answer' });

/** What the runtime said earlier about a container that it has just listed, where the revision promises that it still holds. */
export function keptAnswer(
  runtime: ContainerRuntime,
  { cache }: Pick<NodeView, 'cache'>,
  { id, revision }: ListedContainer,
): RuntimeAnswer | undefined {
  const kept = cache.get(id, ANSWER);
  return revision !== '' && kept?.revision === revision && kept.runtime === runtime ? kept.answer : undefined;
}

/** Asks the runtime about one container. `revision`: that of a list which it has just answered. */
export async function askAbout(
  runtime: ContainerRuntime,
  { cache }: Pick<NodeView, 'cache'>,
  { id, revision }: Pick<ListedContainer, 'id' | 'revision'>,
): Promise<RuntimeAnswer> {
  const answer = toAnswer(await runtime.inspectContainer(id));
  const isKept = revision !== '' && answer.outcome === 'found';
  cache.set(id, ANSWER, isKept ? { runtime, revision, answer } : undefined);
  return answer;
}

function toAnswer(reply: Reply<RuntimeContainer>): RuntimeAnswer {
  if (reply.ok) return { outcome: 'found', side: reply.value };
  if (reply.code === 'notFound') return { outcome: 'gone' };
  return { outcome: 'failed', reason: reply.reason, engineAbsent: reply.code === 'absent' };
}
