import { setTimeout as sleep } from 'node:timers/promises';
import type { ContainerFact } from '../../../posture/fact/container.ts';
import { parsedReply } from '../../runtime/reply.ts';
import type { ContainerRuntime } from '../../runtime/runtime.ts';
import { clip } from '../clip.ts';
import { readText } from '../read-text.ts';
import { toDeclared } from './declared.ts';
import { inspectSchema } from './inspect-answer.ts';
import { readKernelSide, unseenKernelSide } from './kernel-side.ts';
import type { KernelSide } from './kernel-side.ts';
import type { NodeView } from './node-view.ts';

/** What came of inspecting one container. `failed`: it may well run, but the runtime did not tell about it. */
export type Inspection =
  | { readonly outcome: 'running'; readonly container: ContainerFact }
  | { readonly outcome: 'gone' }
  | { readonly outcome: 'failed'; readonly reason: string };

/** The part of a container fact that the runtime says. */
type RuntimeSide = Pick<ContainerFact, 'id' | 'name' | 'image' | 'imageId' | 'pid' | 'startedAt' | 'declared'>;

type Answer =
  { readonly outcome: 'running'; readonly side: RuntimeSide } | Exclude<Inspection, { readonly outcome: 'running' }>;

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
 * Inspects one container. Where the runtime fails to answer about one that was seen `before`, what it said then stands
 * (it hardly ever changes) as long as its first process is there, and the kernel is read anew.
 */
export async function inspectContainer(
  runtime: ContainerRuntime,
  view: NodeView,
  id: string,
  before?: ContainerFact,
): Promise<Inspection> {
  let lastPid = 0;
  let last: RuntimeSide | undefined;
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const answer = await ask(runtime, view, id);
    if (answer.outcome === 'gone') return answer;
    if (answer.outcome === 'failed') return inspectFromMemory(view, answer, before);
    last = answer.side;
    const kernel = await readStarted(view, last, last.pid === lastPid, before);
    if (kernel !== undefined) return { outcome: 'running', container: { ...last, ...kernel } };
    lastPid = last.pid;
  }
  // It starts again and again, faster than it can be looked at.
  return last === undefined
    ? { outcome: 'gone' }
    : { outcome: 'running', container: { ...last, ...unseenKernelSide(last.pid) } };
}

async function inspectFromMemory(
  view: NodeView,
  failed: Inspection,
  before: ContainerFact | undefined,
): Promise<Inspection> {
  if (before === undefined) return failed;
  const kernel = await readStarted(view, before, false, before);
  return kernel === undefined ? failed : { outcome: 'running', container: { ...before, ...kernel } };
}

/** The kernel's side once no process of the container is still being started. */
async function readStarted(
  view: NodeView,
  side: Pick<RuntimeSide, 'id' | 'pid'>,
  isRepeated: boolean,
  before: ContainerFact | undefined,
): Promise<KernelSide | undefined> {
  let kernel = await readConfirmed(view, side, isRepeated);
  if (before !== undefined && before.pid === side.pid && isStarting(before)) return kernel;
  for (const waitMs of START_WAITS_MS) {
    if (kernel === undefined || !isStarting(kernel)) break;
    await sleep(waitMs);
    kernel = await readConfirmed(view, side, isRepeated);
  }
  return kernel;
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
  view: NodeView,
  { id, pid }: Pick<RuntimeSide, 'id' | 'pid'>,
  isRepeated: boolean,
): Promise<KernelSide | undefined> {
  const cgroup = await readText(view.host, `/proc/${String(pid)}/cgroup`);
  const isGone = !cgroup.ok && cgroup.code === 'absent';
  const isNamed = cgroup.ok && cgroup.value.includes(id);
  if ((isGone || !isNamed) && !isRepeated) return undefined;
  if (isGone)
    return unseenKernelSide(pid, 'the runtime says that it runs, but it is not visible here (pid namespace, hidepid)');
  if (!isNamed && !view.namespaces.seesAll)
    return unseenKernelSide(pid, 'its cgroup does not name the container, so it may be another process');
  return readKernelSide(view, { id, pid, cgroupText: cgroup.ok ? cgroup.value : '' });
}

async function ask(runtime: ContainerRuntime, { recall }: NodeView, id: string): Promise<Answer> {
  const reply = await runtime.inspectContainer(id);
  if (!reply.ok) return reply.code === 'notFound' ? { outcome: 'gone' } : { outcome: 'failed', reason: reply.reason };
  return recall.parsed(id, 'inspect', reply.json, toAnswer);
}

function toAnswer(json: Buffer): Answer {
  const reply = parsedReply({ ok: true, json });
  if (!reply.ok) return { outcome: 'failed', reason: reply.reason };
  const parsed = inspectSchema.parse(reply.value);
  if (!parsed.ok) return { outcome: 'failed', reason: `its answer is not understood: ${parsed.problem}` };
  const { value } = parsed;
  if (!value.State.Running || value.State.Pid <= 0) return { outcome: 'gone' };
  return {
    outcome: 'running',
    side: {
      id: value.Id,
      name: clip(value.Name.replace(/^\//, ''), 512),
      image: clip(value.Config.Image, 1024),
      imageId: value.Image,
      pid: value.State.Pid,
      startedAt: value.State.StartedAt,
      declared: toDeclared(value),
    },
  };
}
