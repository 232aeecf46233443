import { setImmediate as immediate } from 'node:timers/promises';
import { absent, seen } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import { userOfEngine } from '../../../posture/fact/docker.ts';
import { isRunning } from '../../../posture/fact/container.ts';
import type { ContainerFact, ContainersFact } from '../../../posture/fact/container.ts';
import { isIdleSandbox, unclearSandbox } from '../../../posture/check/idle-sandbox.ts';
import type { Facts } from '../../../posture/fact/facts.ts';
import { isContainerEntry } from '../../../posture/fact/unobserved.ts';
import type { Unobserved } from '../../../posture/fact/unobserved.ts';
import type { Inspector } from '../inspector.ts';
import type { NodeAccess } from '../../node-access.ts';
import { belongsToUser } from '../../runtime/user-runtime.ts';
import { observeReply } from '../../runtime/runtime.ts';
import type { ContainerRuntime, ListedContainer, Reply } from '../../runtime/runtime.ts';
import { mapBounded } from '../map-bounded.ts';
import { readNodeMounts } from '../proc/node-mounts.ts';
import { firstProcesses } from '../proc/process-table.ts';
import { runtimeUnseen } from '../runtime-reply.ts';
import { askAbout, inspectContainer, keptAnswer } from './container.ts';
import type { RuntimeAnswer, Inspection } from './container.ts';
import { createLimitReader } from './limits.ts';
import { viewNode } from './node-view.ts';
import type { NodeView } from './node-view.ts';

/** More at a time makes the engine slower, not faster. */
const CONCURRENCY = 6;
/** Containers that are inspected before other work gets its turn: some milliseconds. */
const LOOKS_PER_TURN = 32;
/** A round may ask for so long about its containers; then those that are left are unknown. */
const ASKING_MS = 40_000;
/** Containers that do not run and are kept. */
const MAX_STOPPED = 1000;

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

/**
 * The containers of all engines. An engine that does not list its containers is a failed look of its own where another
 * one does; where none does, the answer is that of the first.
 */
async function inspectContainers(
  access: NodeAccess,
  known: Partial<Facts>,
  round: NodeAccess = access,
): Promise<ContainersFact> {
  const runtimes = [access.runtime, ...(await access.engines.others(round.host))];
  const taken = new Set<string>();
  const lists: ContainersFact[] = [];
  // One after the other: side by side they take each other's share of the processor.
  for (const runtime of runtimes) lists.push(await inspectEngine({ ...access, runtime }, known, { taken, round }));
  access.cache.retain(taken);
  forgetOtherEngines(access, runtimes);
  const answered = lists.filter((list) => list.state === 'seen');
  const [first] = answered;
  if (first === undefined) return lists[0] ?? absent(access.runtime.endpoint);
  return seen(
    answered.flatMap(({ value }) => value),
    first.source,
  );
}

/** What the engines of a node are inspected with. */
interface Round {
  /** Ids of containers of the engines before this one, which an engine cannot claim for itself. */
  readonly taken: Set<string>;
  readonly round: NodeAccess;
}

async function inspectEngine(
  access: NodeAccess,
  known: Partial<Facts>,
  { taken, round }: Round,
): Promise<ContainersFact> {
  const { runtime, failedLooks } = access;
  const reply = await runtime.listContainers();
  const listed = reply.ok ? observeReply(reply) : await runtimeUnseen(access, runtime.endpoint, reply);
  if (listed.state !== 'seen') {
    // Whether a person named the endpoint says nothing about the containers that ran.
    const unnamed = { ...access, engines: { ...access.engines, named: new Set<string>() } };
    const plain = reply.ok ? listed : await runtimeUnseen(unnamed, runtime.endpoint, reply);
    if (plain.state !== 'seen') await noteUnlisted(access, known, plain);
    noteEngine(access, listed, reply);
    return listed;
  }
  failedLooks.clear('engine', runtime.endpoint);
  const before = seenBefore(known);
  const view = await viewNode(access, round.host);
  const own = await claimedBy(
    access,
    before,
    listed.value.filter(({ id }) => !taken.has(id)),
  );
  // First the engine about all, then the kernel: side by side they take each other's share of the processor.
  const entries = failedLast(runningFirst(own), failedLooks.list());
  const answers = await askAboutAll(runtime, view, entries);
  let looks = 0;
  const inspections = await mapBounded([...entries.entries()], CONCURRENCY, async ([index, { id }]) => {
    // The kernel answers at once: without a pause nothing else would get its turn.
    if ((looks += 1) % LOOKS_PER_TURN === 0) await immediate();
    return inspectContainer(runtime, view, id, before.get(id), answers[index]);
  });
  const ids = new Set(entries.map(({ id }) => id));
  for (const id of ids) taken.add(id);
  await keepRunning(access, known, ids, 'does not list it');
  const containers: ContainerFact[] = [];
  const first = await firstProcesses(round);
  for (const [index, answered] of inspections.entries()) {
    const entry = entries[index] as ListedContainer;
    const container = { ...namesOf(before.get(entry.id) ?? entry), id: entry.id };
    const inspection = await confirm(access, container, answered);
    await noteOutcome(access, container, inspection);
    if (inspection.outcome !== 'found') continue;
    containers.push(inspection.container);
    if (inspection.firstProcess !== undefined) first.set(inspection.firstProcess.pid, inspection.firstProcess.parent);
  }
  return seen(containers, listed.source);
}

/**
 * The containers of an engine, without those that are known as another engine's. A user's engine could otherwise take
 * over a container of an engine that does not answer at the moment, or one that runs without an engine.
 */
async function claimedBy(
  { failedLooks, runtime: { endpoint }, host }: NodeAccess,
  before: ReadonlyMap<string, ContainerFact>,
  listed: readonly ListedContainer[],
): Promise<readonly ListedContainer[]> {
  const uid = userOfEngine(endpoint);
  if (uid === 0) return listed;
  const failed = new Map(failedLooks.list().map((look) => [look.id, look]));
  const claims = await mapBounded(listed, CONCURRENCY, async ({ id }) => {
    const engine = before.get(id)?.engine ?? failed.get(id)?.engine ?? endpoint;
    return engine === endpoint || (engine === '' && (await belongsToUser(host, failed.get(id)?.pid ?? 0, uid)));
  });
  return listed.filter((_, index) => claims[index]);
}

/** All that run, then of those that do not the ones that were made last: the engine lists them so. */
function runningFirst(entries: readonly ListedContainer[]): readonly ListedContainer[] {
  const running = entries.filter(isRunning);
  const stopped = entries.filter((entry) => !isRunning(entry));
  return [...running, ...stopped.slice(0, MAX_STOPPED)];
}

/** Those that the engine is slow to answer about come last: the time that they take is not taken from others. */
function failedLast(entries: readonly ListedContainer[], failed: readonly Unobserved[]): readonly ListedContainer[] {
  if (failed.length === 0) return entries;
  const slow = new Set(failed.map(({ id }) => id));
  return [...entries.filter(({ id }) => !slow.has(id)), ...entries.filter(({ id }) => slow.has(id))];
}

function askAboutAll(
  runtime: ContainerRuntime,
  view: NodeView,
  entries: readonly ListedContainer[],
): Promise<readonly RuntimeAnswer[]> {
  const untilMs = performance.now() + ASKING_MS;
  const reason = 'not asked: the engine is too slow to answer about all';
  const tooLate: RuntimeAnswer = { outcome: 'failed', reason, engineAbsent: false };
  return mapBounded(entries, CONCURRENCY, (entry) => {
    const kept = keptAnswer(runtime, view, entry);
    if (kept !== undefined) return Promise.resolve(kept);
    return performance.now() < untilMs ? askAbout(runtime, view, entry) : Promise.resolve(tooLate);
  });
}

/** One container, by its id; `failed` where the runtime does not answer. */
export async function inspectOneContainer(access: NodeAccess, known: Partial<Facts>, id: string): Promise<Inspection> {
  const surroundings = await access.cache.memoizeFor('node', () => viewNode(access));
  // Limits are the container's own, and an event may be about them.
  const before = seenBefore(known).get(id);
  // One that was just started, or started again, brought mounts to the node that the surroundings may not have yet.
  const mounts = await readNodeMounts(access, '1');
  const view = { ...surroundings, mounts, limits: createLimitReader(access.host) };
  let failure: { readonly runtime: ContainerRuntime; readonly inspection: Inspection } | undefined;
  let mayBeOfRoot = false;
  /** An engine of root has no container of this id, which was not known before. */
  let isGone = false;
  const runtimes = await runtimesFor(access, before);
  for (const runtime of runtimes) {
    // A container that an engine of root may have is none that the engine of a user can claim.
    if (mayBeOfRoot && userOfEngine(runtime.endpoint) !== 0) break;
    const answered = await inspectContainer(runtime, view, id, before);
    const inspection =
      answered.outcome === 'found'
        ? await confirm({ ...access, runtime }, { ...namesOf(before), id }, answered)
        : answered;
    if (inspection.outcome === 'found') {
      await noteOutcome({ ...access, runtime }, { ...namesOf(before), id }, inspection);
      return inspection;
    }
    if (inspection.outcome === 'gone') {
      isGone ||= before === undefined && userOfEngine(runtime.endpoint) === 0;
      continue;
    }
    failure ??= { runtime, inspection };
    mayBeOfRoot ||= !inspection.engineAbsent;
  }
  // An engine that nobody serves has started nothing that an event could be about: one of the others reported the id.
  if (isGone && !mayBeOfRoot) failure = undefined;
  if (failure === undefined) access.cache.delete(id);
  failure ??= await goneFrom(access, runtimes, { ...namesOf(before), id });
  const { runtime, inspection } = failure;
  await noteOutcome({ ...access, runtime }, { ...namesOf(before), id }, inspection);
  return inspection;
}

/** No engine knows the container any more. */
async function goneFrom(
  access: NodeAccess,
  runtimes: readonly ContainerRuntime[],
  container: KnownContainer,
): Promise<{ readonly runtime: ContainerRuntime; readonly inspection: Inspection }> {
  const engine = access.failedLooks.lastRunning.get(container.id)?.engine;
  const runtime = runtimes.find(({ endpoint }) => endpoint === engine) ?? access.runtime;
  return { runtime, inspection: await confirm({ ...access, runtime }, container, { outcome: 'gone' }) };
}

/** The engines that may know a container; of one that was seen before only its own counts. */
async function runtimesFor(
  { host, runtime, engines }: NodeAccess,
  before: ContainerFact | undefined,
): Promise<readonly ContainerRuntime[]> {
  if (before?.engine === runtime.endpoint) return [runtime];
  const all = [runtime, ...(await engines.others(host))];
  return before === undefined ? all : all.filter(({ endpoint }) => endpoint === before.engine);
}

/** What is known of a container that could not be inspected. */
type KnownContainer = Pick<Unobserved, 'id' | 'name' | 'imageId' | 'pid'>;

function namesOf(container: ContainerFact | ListedContainer | undefined): Omit<KnownContainer, 'id'> {
  if (container === undefined) return { name: '', imageId: '', pid: 0 };
  if ('pid' in container) return { name: container.name, imageId: container.imageId, pid: container.pid };
  return { name: container.names[0] ?? '', imageId: container.imageId, pid: 0 };
}

async function noteOutcome(access: NodeAccess, container: KnownContainer, inspection: Inspection): Promise<void> {
  const { failedLooks, host } = access;
  if (inspection.outcome === 'failed') return noteFailure(access, container, inspection.reason, inspection.isSandbox);
  failedLooks.clear('container', container.id);
  if (inspection.outcome === 'found' && inspection.firstProcess !== undefined)
    await failedLooks.lastRunning.record(host, inspection.container);
  else failedLooks.lastRunning.delete(container.id);
}

function noteFailure(access: NodeAccess, container: KnownContainer, reason: string, isSandbox = false): void {
  const { failedLooks, runtime, now } = access;
  // Field by field: a container that was seen before has a `kind` of its own.
  const { id, name, imageId, pid } = container;
  const last = failedLooks.lastRunning.get(id);
  const engine = last?.engine ?? runtime.endpoint;
  const wasIdle = last === undefined ? failedLooks.get('container', id)?.kind === 'sandbox' : isIdleSandbox(last);
  const kind = isSandbox || wasIdle ? 'sandbox' : 'container';
  failedLooks.record({ kind, id, name, imageId, pid, engine, reason }, now());
}

/**
 * The runtime does not list its containers. Those that ran before may run on. Where there is no runtime any more they
 * do as long as their first process does: an engine that ends can leave its containers running.
 */
async function noteUnlisted(access: NodeAccess, known: Partial<Facts>, unlisted: Observed<never>): Promise<void> {
  if (unlisted.state !== 'unreadable') return keepRunning(access, known, new Set(), 'is gone');
  const { failedLooks, runtime, host } = access;
  const reason = `${unlisted.source}: ${unlisted.reason}`;
  for (const container of seenBefore(known).values())
    if (container.engine === runtime.endpoint) noteFailure(access, container, reason);
  // Found by a look at it alone, while the list was not known.
  for (const container of failedLooks.lastRunning.of(runtime.endpoint))
    if (await failedLooks.lastRunning.runs(host, container)) noteFailure(access, container, reason);
}

/** What an engine says of a container that runs. */
type Denial = 'is gone' | 'does not list it' | 'does not know it' | 'says that it does not run';

/**
 * The list of an engine lacks containers that this engine had named: those whose first process still runs are failed
 * looks, the others are gone. An engine that has just started again lists some of its containers late.
 */
async function keepRunning(
  access: NodeAccess,
  known: Partial<Facts>,
  listed: ReadonlySet<string>,
  denial: Denial,
): Promise<void> {
  const { failedLooks, runtime, host } = access;
  const { lastRunning } = failedLooks;
  const { endpoint } = runtime;
  // Its user could keep ever more of them with a few processes; `unobserved` finds those that run.
  if (userOfEngine(endpoint) !== 0 && denial !== 'is gone') return failedLooks.keepOnly('container', endpoint, listed);
  const failed = failedLooks.list().filter((look) => isContainerEntry(look) && look.engine === endpoint);
  const before = [...seenBefore(known).values()].filter(({ engine }) => engine === endpoint);
  const missing = new Map<string, KnownContainer>();
  for (const container of [...failed, ...before, ...lastRunning.of(endpoint)])
    if (!listed.has(container.id)) missing.set(container.id, container);
  const kept = new Set(listed);
  for (const container of missing.values()) {
    if (await lastRunning.runs(host, container)) {
      kept.add(container.id);
      noteFailure(access, container, runsThough(endpoint, denial));
    } else lastRunning.delete(container.id);
  }
  failedLooks.keepOnly('container', endpoint, kept);
}

/**
 * What an inspection means. An engine says that a container is gone or does not run: it runs all the same while its first
 * process does. A sandbox that could not be read in full is not judged by what is left.
 */
async function confirm(access: NodeAccess, container: KnownContainer, inspection: Inspection): Promise<Inspection> {
  if (inspection.outcome === 'failed') return inspection;
  if (inspection.outcome === 'found' && inspection.container.pid !== 0) {
    const reason = unclearSandbox(inspection.container);
    return reason === undefined ? inspection : { outcome: 'failed', reason, engineAbsent: false, isSandbox: true };
  }
  const { lastRunning } = access.failedLooks;
  const recorded = lastRunning.get(container.id);
  if (recorded === undefined || !(await lastRunning.runs(access.host, recorded))) return inspection;
  const denial = inspection.outcome === 'gone' ? 'does not know it' : 'says that it does not run';
  return { outcome: 'failed', reason: runsThough(recorded.engine, denial), engineAbsent: false };
}

function runsThough(engine: string, denial: Denial): string {
  return `it runs, but its engine ${engine} ${denial}`;
}

/** An engine that is there and does not list its containers: others of them may run than were seen before. */
function noteEngine({ failedLooks, runtime, now }: NodeAccess, unlisted: Observed<never>, reply: Reply<unknown>): void {
  const { endpoint } = runtime;
  // Nobody listens at that endpoint: what runs without an engine is found by its processes.
  const isGone = !reply.ok && reply.code === 'absent';
  if (isGone || unlisted.state !== 'unreadable') failedLooks.clear('engine', endpoint);
  else {
    const program = runtime.name === 'docker' ? 'dockerd' : `${runtime.name} runtime`;
    const subject = { kind: 'engine', id: endpoint, name: `${program} ${endpoint}`, imageId: '', pid: 0 } as const;
    failedLooks.record({ ...subject, engine: endpoint, reason: unlisted.reason }, now());
  }
}

/** Of an engine that is not asked any more, the processes of its containers tell. */
function forgetOtherEngines({ failedLooks }: NodeAccess, runtimes: readonly ContainerRuntime[]): void {
  const endpoints = new Set(['', ...runtimes.map(({ endpoint }) => endpoint)]);
  for (const { kind, id, engine } of failedLooks.list())
    if (!endpoints.has(engine)) failedLooks.clear(kind === 'sandbox' ? 'container' : kind, id);
  failedLooks.lastRunning.retain(endpoints);
}

function seenBefore({ containers }: Partial<Facts>): ReadonlyMap<string, ContainerFact> {
  if (containers?.state !== 'seen') return new Map();
  return new Map(containers.value.map((container) => [container.id, container]));
}
