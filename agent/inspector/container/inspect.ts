import { setImmediate as immediate } from 'node:timers/promises';
import { seen } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import type { ContainerFact, ContainersFact } from '../../../posture/fact/container.ts';
import type { Facts } from '../../../posture/fact/facts.ts';
import type { Unobserved } from '../../../posture/fact/unobserved.ts';
import type { Inspector } from '../inspector.ts';
import type { NodeAccess } from '../../node-access.ts';
import type { ContainerRuntime } from '../../runtime/runtime.ts';
import { clip } from '../clip.ts';
import { mapBounded } from '../map-bounded.ts';
import { readNodeMounts } from '../proc/node-mounts.ts';
import { readText } from '../read-text.ts';
import { observeReply, runtimeUnseen } from '../runtime-reply.ts';
import { answerWhileStopped, askAbout, inspectContainer } from './container.ts';
import type { Answer, Inspection } from './container.ts';
import { containerListSchema } from './inspect-answer.ts';
import type { ListedContainer } from './inspect-answer.ts';
import { createLimitReader } from './limits.ts';
import { viewNode } from './node-view.ts';
import type { NodeView } from './node-view.ts';

/** More at a time makes the engine slower, not faster. */
const CONCURRENCY = 6;
/** So many take some milliseconds. */
const LOOKS_IN_A_ROW = 32;
/** A round may ask for so long about its containers; then those that are left are unknown. */
const ASKING_MS = 40_000;
const SOURCE = 'GET /containers/json?all=1';
/** Containers that do not run and are kept. */
const MAX_STOPPED = 1000;
/** An entry without a state comes from an engine that lists running ones only. */
const RUNNING: ReadonlySet<string> = new Set(['running', 'paused', 'restarting', '']);

/**
 * The containers, running or not. One that ends while it is inspected is left out. One that runs and about which the runtime
 * does not answer is left out too, but noted among the failed looks, from where the fact `unobserved` takes it; so are
 * all that ran before where the runtime does not even list them.
 */
export const containerInspector: Inspector<'containers'> = {
  fact: 'containers',
  needs: [],
  inspect: inspectContainers,
  // The runtime's events tell of containers; their files are below /proc and /sys, which tell nothing.
  watches: () => [],
};

async function inspectContainers(access: NodeAccess, known: Partial<Facts>): Promise<ContainersFact> {
  const { host, runtime, recall } = access;
  const reply = await runtime.listContainers();
  const listed = reply.ok
    ? observeReply(reply, containerListSchema, SOURCE)
    : await runtimeUnseen(host, runtime.endpoint, reply);
  if (listed.state !== 'seen') {
    await noteUnlisted(access, known, listed);
    return listed;
  }
  const before = seenBefore(known);
  const view = await viewNode(access);
  // First the engine about all, then the kernel: side by side they take each other's share of the processor.
  const entries = failedLast(runningFirst(listed.value), recall.failed.list());
  const answers = await askAboutAll(runtime, view, entries);
  let looks = 0;
  const inspections = await mapBounded([...entries.entries()], CONCURRENCY, async ([index, { Id: id }]) => {
    // The kernel answers at once: without a pause nothing else would get its turn.
    if ((looks += 1) % LOOKS_IN_A_ROW === 0) await immediate();
    return inspectContainer(runtime, view, id, before.get(id), answers[index]);
  });
  const ids = new Set(entries.map(({ Id: id }) => id));
  recall.keepOnly(ids);
  recall.failed.keepOnly('container', runtime.endpoint, ids);
  const containers: ContainerFact[] = [];
  for (const [index, inspection] of inspections.entries()) {
    const entry = entries[index] as ListedContainer;
    noteOutcome(access, { ...namesOf(before.get(entry.Id) ?? entry), id: entry.Id }, inspection);
    if (inspection.outcome === 'found') containers.push(inspection.container);
  }
  return seen(containers, SOURCE);
}

/** All that run, then of those that do not the ones that were made last: the engine lists them so. */
function runningFirst(entries: readonly ListedContainer[]): readonly ListedContainer[] {
  const running = entries.filter(({ State }) => RUNNING.has(State));
  const stopped = entries.filter(({ State }) => !RUNNING.has(State));
  return [...running, ...stopped.slice(0, MAX_STOPPED)];
}

/** Those that the engine is slow to answer about come last: the time that they take is not taken from others. */
function failedLast(entries: readonly ListedContainer[], failed: readonly Unobserved[]): readonly ListedContainer[] {
  if (failed.length === 0) return entries;
  const slow = new Set(failed.map(({ id }) => id));
  return [...entries.filter(({ Id: id }) => !slow.has(id)), ...entries.filter(({ Id: id }) => slow.has(id))];
}

function askAboutAll(
  runtime: ContainerRuntime,
  view: NodeView,
  entries: readonly ListedContainer[],
): Promise<readonly Answer[]> {
  const untilMs = performance.now() + ASKING_MS;
  const tooLate: Answer = { outcome: 'failed', reason: 'not asked: the engine is too slow to answer about all' };
  return mapBounded(entries, CONCURRENCY, (entry) => {
    const known = answerWhileStopped(view, entry);
    if (known !== undefined) return Promise.resolve(known);
    return performance.now() < untilMs ? askAbout(runtime, view, entry.Id) : Promise.resolve(tooLate);
  });
}

/** One container, by its id; `failed` where the runtime does not answer. */
export async function inspectOneContainer(access: NodeAccess, known: Partial<Facts>, id: string): Promise<Inspection> {
  const surroundings = await access.recall.shortly('node', () => viewNode(access));
  // Limits are the container's own, and an event may be about them.
  const before = seenBefore(known).get(id);
  // One that was just started brought mounts to the node that the surroundings may not have yet.
  const mounts = before === undefined ? await readNodeMounts(access, '1') : surroundings.mounts;
  const view = { ...surroundings, mounts, limits: createLimitReader(access.host) };
  const inspection = await inspectContainer(access.runtime, view, id, before);
  if (inspection.outcome === 'gone') access.recall.forget(id);
  noteOutcome(access, { ...namesOf(before), id }, inspection);
  return inspection;
}

/** What is known of a container that could not be inspected. */
type KnownContainer = Pick<Unobserved, 'id' | 'name' | 'imageId' | 'pid'>;

function namesOf(container: ContainerFact | ListedContainer | undefined): Omit<KnownContainer, 'id'> {
  if (container === undefined) return { name: '', imageId: '', pid: 0 };
  if ('pid' in container) return { name: container.name, imageId: container.imageId, pid: container.pid };
  return { name: clip((container.Names[0] ?? '').replace(/^\//, ''), 512), imageId: container.ImageID, pid: 0 };
}

function noteOutcome(access: NodeAccess, container: KnownContainer, inspection: Inspection): void {
  if (inspection.outcome === 'failed') noteFailure(access, container, inspection.reason);
  else access.recall.failed.clear('container', container.id);
}

function noteFailure({ recall, runtime, now }: NodeAccess, container: KnownContainer, reason: string): void {
  recall.failed.record({ kind: 'container', ...container, engine: runtime.endpoint, reason }, now());
}

/**
 * The runtime does not list its containers. Those that ran before may run on. Where there is no runtime any more they
 * do as long as their first process does: an engine that ends can leave its containers running.
 */
async function noteUnlisted(access: NodeAccess, known: Partial<Facts>, unlisted: Observed<never>): Promise<void> {
  const { recall, runtime, host } = access;
  if (unlisted.state === 'unreadable') {
    const reason = `${unlisted.source}: ${unlisted.reason}`;
    for (const container of seenBefore(known).values()) noteFailure(access, container, reason);
    return;
  }
  const failed = recall.failed.list().filter(({ kind, engine }) => kind === 'container' && engine === runtime.endpoint);
  for (const { id, name, imageId, pid } of [...seenBefore(known).values(), ...failed]) {
    const cgroup = pid === 0 ? undefined : await readText(host, `/proc/${String(pid)}/cgroup`);
    if (cgroup?.ok === true && cgroup.value.includes(id))
      noteFailure(access, { id, name, imageId, pid }, `it runs, but its engine ${runtime.endpoint} is gone`);
    else recall.failed.clear('container', id);
  }
}

function seenBefore({ containers }: Partial<Facts>): ReadonlyMap<string, ContainerFact> {
  if (containers?.state !== 'seen') return new Map();
  return new Map(containers.value.map((container) => [container.id, container]));
}
