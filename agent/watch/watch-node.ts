import { userOfEngine } from '../../posture/fact/docker.ts';
import type { FactName, Facts } from '../../posture/fact/facts.ts';
import { isContainerEntry } from '../../posture/fact/unobserved.ts';
import type { Unobserved } from '../../posture/fact/unobserved.ts';
import { orAborted } from '../../service/abort.ts';
import { jittered } from '../../service/backoff.ts';
import { within } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import { scopedClock } from '../../service/scoped-clock.ts';
import type { NodeAccess } from '../node-access.ts';
import type { Observation, ObservationOptions } from '../node-observer.ts';
import { imagesOf } from '../inspector/image/inspect.ts';
import { observe, observeAll, observeContainer } from '../inspector/observe.ts';
import { inspectorOf, INSPECTORS } from '../inspector/registry.ts';
import type { ContainerRuntime, RuntimeEvent } from '../runtime/runtime.ts';
import { createContainerQueue } from './container-queue.ts';
import { createFactQueue } from './fact-queue.ts';
import { createFactModel } from './fact-model.ts';
import { createPathWatch } from './path-watch.ts';
import { createFollowerSet, followRuntime } from './runtime-follower.ts';
import type { RuntimeFollower } from './runtime-follower.ts';

/** What watching a node takes. */
export interface WatchOptions extends ObservationOptions {
  readonly access: NodeAccess;
  readonly sweepIntervalMs: number;
  readonly clock: Clock;
  /** 0 ≤ x < 1 */
  readonly random: () => number;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** A node that is being watched by this process. */
export interface NodeWatch extends Observation {
  readonly refresh: (fact: FactName) => void;
}

/** A sweep is moved by up to this share, so that the nodes of a fleet do not sweep together. */
const SWEEP_JITTER = 0.2;
/** After the start of a container. */
const LOOKS_AFTER_START_MS: readonly number[] = [3000, 30_000];
const STALL_CHECK_MS = 5000;
/** No work of this program takes so long at a stretch. */
const STALL_MS = 5000;
/** Every read has its own deadline; this one is for a defect that no other catches. */
const READ_DEADLINE_MS = 2 * 60_000;
/** A user can end and start a rootless engine at will: rounds because of that are at least so far apart. */
const USER_ROUND_PAUSE_MS = 5 * 60_000;
/** After a round that could not read the containers although the runtime answers, or one of them. */
const RETRY_MS = 10_000;

/**
 * Watches a node until the signal aborts: a full round, then what the runtime and the files tell, and a slow sweep for
 * what sends no event. Only what changed is read again.
 */
export function watchNode(options: WatchOptions): NodeWatch {
  const { access, log, random, signal, sweepIntervalMs, pace } = options;
  const clock = scopedClock(options.clock);
  const surroundings: Surroundings = { clock, log, signal };
  const model = createFactModel((facts, change) => {
    paths.follow(facts);
    options.onChange(facts, change);
  });
  const queue = createFactQueue({
    clock,
    pace,
    signal,
    readRound: (reason) => guarded(`round: ${reason}`, () => readRound(reason), surroundings),
    readFact: (fact) => guarded(`fact ${fact}`, () => readFact(fact), surroundings),
  });
  const containers = createContainerQueue({
    clock,
    pace,
    look: (id) => guarded('container', () => look(id), surroundings),
    onOverflow: () => queue.enqueueRound('containers changed'),
  });
  const paths = createPathWatch(access.host, (facts, path) => {
    log.debug({ path, facts }, 'file changed');
    queue.enqueueFacts(facts);
    if (facts.includes('docker')) runtime.poke();
    if (!facts.includes('engines')) return;
    otherEngines.poke();
    queue.enqueueRound('a file of a container engine changed');
  });
  let retrying = false;
  const retryRound = (reason: string): void => {
    if (retrying) return;
    retrying = true;
    clock.after(RETRY_MS, () => {
      retrying = false;
      queue.enqueueRound(reason);
    });
  };

  let rounds = 0;
  const readRound = async (reason: string): Promise<void> => {
    const startedMs = clock.monotonic();
    const round = (rounds += 1);
    log.debug({ reason }, 'round started');
    containers.drain();
    const before = model.facts();
    const facts = await observeAll(access, before);
    const looked = containers.drain();
    // A round that was given up as too late has been overtaken by another.
    if (signal.aborted || round !== rounds) return;
    model.putRound(facts, looked);
    for (const id of justStarted(before, facts, clock.now())) lookAgain(id);
    // What happened there since the round began was not reported.
    const others = await access.engines.others(access.host);
    if (otherEngines.set(others)) queue.enqueueRound('a further container engine is followed');
    // What was seen of them before the state knew of containers at all was lost.
    for (const id of looked) containers.enqueue(id);
    log.debug({ reason, durationMs: Math.round(clock.monotonic() - startedMs) }, 'full round');
    if (runtime.isLive() && facts.containers.state === 'unreadable') retryRound('the containers could not be read');
    // Meanwhile nothing reports the end of a container, nor that of the grace time.
    if ([access.runtime, ...others].some((each) => each.isHeld?.() === true)) retryRound('a container engine is away');
    const failed = facts.containers.state === 'seen' ? failedContainers().map(({ id }) => id) : [];
    for (const id of retries.keys()) if (!failed.includes(id)) retries.delete(id);
    for (const id of failed) retryContainer(id);
  };
  const readFact = async (fact: FactName): Promise<void> => {
    const facts = model.facts();
    if (facts === undefined) return;
    const observed = { [fact]: await observe(access, facts, fact) };
    // An image that cannot be inspected goes from one fact to the other: they are judged together.
    const unobserved =
      fact === 'images' ? { unobserved: await observe(access, { ...facts, ...observed }, 'unobserved') } : {};
    if (signal.aborted) return;
    for (const changed of model.putFacts({ ...observed, ...unobserved })) queue.enqueueFacts(dependentsOf(changed));
  };
  const failedContainers = (): readonly Unobserved[] =>
    // Without an engine there is nobody to ask again: the next round looks at its processes.
    access.failedLooks.list().filter((look) => isContainerEntry(look) && look.engine !== '');
  const look = async (id: string): Promise<void> => {
    const isNew = !isListed(model.facts(), id);
    const observed = await observeContainer(access, model.facts() ?? {}, id);
    if (signal.aborted) return;
    if (observed.state === 'seen') model.putContainer(id, { container: observed.value });
    else {
      const unobserved = failedContainers().find((entry) => entry.id === id);
      // A round that found it meanwhile has cleared the failed look: it is not gone.
      if (observed.state === 'unreadable' && unobserved === undefined) return retryContainer(id);
      model.putContainer(id, unobserved === undefined ? {} : { unobserved });
      // It was started past the engine that would list it, or is over already: its processes tell.
      if (isNew && unobserved === undefined) queue.enqueueFacts(['unobserved']);
    }
    if (observed.state === 'unreadable') retryContainer(id);
    else retries.delete(id);
    if (imagesDiffer(model.facts())) queue.enqueueFacts(['images']);
  };
  /** How often each was tried again that could not be inspected, and whether that is planned now. */
  const retries = new Map<string, { count: number; isPlanned: boolean }>();
  const retryContainer = (id: string): void => {
    const retry = retries.get(id) ?? { count: 0, isPlanned: false };
    if (retry.isPlanned) return;
    // A container can see to it that it cannot be inspected: that must not cost more and more.
    retries.set(id, { count: retry.count + 1, isPlanned: true });
    clock.after(Math.min(RETRY_MS * 2 ** retry.count, sweepIntervalMs), () => {
      retries.set(id, { count: retry.count + 1, isPlanned: false });
      containers.enqueue(id);
    });
  };
  /** An entrypoint sets itself up: it may give up rights and confine itself a moment after its start. */
  const lookAgain = (id: string): void => {
    for (const delayMs of LOOKS_AFTER_START_MS)
      clock.after(delayMs, () => {
        // At a slow pace the next sweep has to do.
        if (pace().looksAtOnce > 0) containers.enqueue(id);
      });
  };
  const react = (event: RuntimeEvent): void => {
    switch (event.kind) {
      case 'containerStarted':
        containers.enqueue(event.id);
        return lookAgain(event.id);
      case 'containerChanged':
        return containers.enqueue(event.id);
      case 'execChanged':
        return containers.enqueueThrottled(event.id);
      case 'engineReloaded':
        return queue.enqueueFacts(['docker', 'engines']);
    }
  };

  // Events are followed before the first round starts, so that changes during the round are reported.
  let lastUserRoundMs = Number.NEGATIVE_INFINITY;
  const enqueueRoundFor = ({ endpoint }: ContainerRuntime, reason: string): void => {
    if (userOfEngine(endpoint) !== 0) {
      if (clock.monotonic() - lastUserRoundMs < USER_ROUND_PAUSE_MS) return;
      lastUserRoundMs = clock.monotonic();
    }
    queue.enqueueRound(reason);
  };
  const follow = (followed: ContainerRuntime, until: AbortSignal): RuntimeFollower =>
    followRuntime({
      runtime: followed,
      clock,
      random,
      signal: until,
      log,
      onEvent: react,
      onReturn: () => enqueueRoundFor(followed, 'the container runtime is back'),
      onUnreachable: () => {
        if (showsRuntime(model.facts())) enqueueRoundFor(followed, 'the container runtime does not answer');
      },
    });
  const runtime = follow(access.runtime, signal);
  const otherEngines = createFollowerSet(follow, signal);
  let sweepsDue = 0;
  const sweep = (): void => {
    sweepsDue += 1;
    if (sweepsDue >= pace().sweepFactor) {
      sweepsDue = 0;
      queue.enqueueRound('sweep');
    }
    clock.after(jittered(sweepIntervalMs, SWEEP_JITTER, random), sweep);
  };
  sweep();
  watchStalls(clock, (lateMs) => {
    log.warn({ lateMs }, 'this process stood still: events may have been lost');
    queue.enqueueRound('this process stood still');
  });
  const run = async (): Promise<void> => {
    await queue.run();
    paths.stop();
    clock.close();
  };
  return { facts: model.facts, refresh: (fact) => queue.enqueueFacts([fact]), done: run() };
}

/**
 * Calls `onStall` after this process, or the machine, stood still: the engine does not keep events for a reader that
 * does not read. A wall clock that is set by hand looks the same, which costs one round.
 */
function watchStalls(clock: Clock, onStall: (lateMs: number) => void): void {
  const [startedMs, wallMs] = [clock.monotonic(), clock.now()];
  clock.after(STALL_CHECK_MS, () => {
    // The monotonic clock goes on while the process is stopped, the wall clock also while the machine is.
    const lateMs = Math.max(clock.monotonic() - startedMs, clock.now() - wallMs) - STALL_CHECK_MS;
    if (lateMs >= STALL_MS) onStall(Math.round(lateMs));
    watchStalls(clock, onStall);
  });
}

/** A defect in one inspector must not end the watch: it is logged, and the next round tries again. */
async function guarded(what: string, work: () => Promise<void>, { clock, log, signal }: Surroundings): Promise<void> {
  try {
    const inTime = work().then(() => true);
    const outcome = await orAborted(
      within(clock, READ_DEADLINE_MS, inTime, () => false),
      signal,
    );
    if (outcome === false) log.error({ what, deadlineMs: READ_DEADLINE_MS }, 'reading the node takes too long');
  } catch (error) {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    log.error({ what, reason }, 'reading the node failed, please report this');
  }
}

type Surroundings = Pick<WatchOptions, 'clock' | 'log' | 'signal'>;

/** Is the container in the list that was read last? */
function isListed(facts: Facts | undefined, id: string): boolean {
  return facts?.containers.state === 'seen' && facts.containers.value.some((container) => container.id === id);
}

/** Facts that are built on this one. Those built on containers are read again only when they must be. */
function dependentsOf(fact: FactName): readonly FactName[] {
  return INSPECTORS.filter(({ fact: other }) => inspectorOf(other).needs.includes(fact)).map(
    (inspector) => inspector.fact,
  );
}

/** Is an image in use that was not looked at, or one that was looked at not in use? */
function imagesDiffer(facts: Facts | undefined): boolean {
  if (facts?.containers.state !== 'seen' || facts.images.state !== 'seen') return facts?.images.state === 'unreadable';
  const unobserved = facts.unobserved.state === 'seen' ? facts.unobserved.value : [];
  const used = imagesOf(facts.containers.value, unobserved);
  const looked = [...facts.images.value, ...unobserved.filter(({ kind }) => kind === 'image')];
  const ids = new Set(looked.map(({ id }) => id));
  return used.length !== ids.size || used.some((id) => !ids.has(id));
}

/** Containers that the last round did not know and that were started a moment before this one. */
function justStarted(before: Facts | undefined, { containers }: Facts, nowMs: number): readonly string[] {
  if (containers.state !== 'seen') return [];
  const known = new Set(before?.containers.state === 'seen' ? before.containers.value.map(({ id }) => id) : []);
  return containers.value
    .filter(({ id, startedAt }) => !known.has(id) && nowMs - Date.parse(startedAt) < Math.max(...LOOKS_AFTER_START_MS))
    .map(({ id }) => id);
}

/** Do the facts speak of a runtime that answers? */
function showsRuntime(facts: Facts | undefined): boolean {
  return facts !== undefined && (facts.containers.state === 'seen' || facts.docker.api.state === 'seen');
}
