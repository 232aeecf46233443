import { fullJitter } from '../../service/backoff.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import type { ContainerRuntime, RuntimeEvent } from '../runtime/runtime.ts';

/** Follows the events of a runtime, as long as there is one, and finds it again when it comes back. */
export interface RuntimeFollower {
  /** Something about the runtime changed: if it is not followed, it is tried again now. */
  readonly poke: () => void;
  readonly isLive: () => boolean;
}

/** What a follower works with. */
export interface RuntimeFollowerOptions {
  readonly runtime: ContainerRuntime;
  /** Ends with the watch. */
  readonly clock: Clock;
  readonly random: () => number;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly onEvent: (event: RuntimeEvent) => void;
  /** Events come again after a time in which some were lost. */
  readonly onReturn: () => void;
  /** The stream of a runtime that had answered ended, or one of the first attempts to follow it again failed. */
  readonly onUnreachable: (reason: string) => void;
}

const BACKOFF = Object.freeze({ baseMs: 500, capMs: 30_000 });
/** A stream that lasted so long ends a row of failures. */
const STABLE_MS = 10_000;
/** A runtime that stops may answer a last time after its stream has ended; after some seconds nothing new is to be seen. */
const REPORTED_FAILURES = 5;

/** Begins to follow at once: every event after the call is reported. */
export function followRuntime(options: RuntimeFollowerOptions): RuntimeFollower {
  const { runtime, clock, random, signal, log } = options;
  let current: AbortController | undefined;
  let live = false;
  let isFirst = true;
  let failures = 0;
  /** Attempts that failed since it was live; none is reported of a runtime that never was. */
  let unanswered = REPORTED_FAILURES;
  let startedMs = 0;
  let cancelRetry: (() => void) | undefined;

  const lost = (attempt: AbortController, reason: string): void => {
    if (current !== attempt || signal.aborted) return;
    attempt.abort();
    current = undefined;
    isFirst = false;
    if (live) log.warn({ endpoint: runtime.endpoint, reason }, 'container runtime lost');
    if (live && clock.monotonic() - startedMs >= STABLE_MS) failures = 0;
    if (live) unanswered = 0;
    live = false;
    cancelRetry = clock.after(fullJitter(failures, BACKOFF, random), connect);
    failures += 1;
    unanswered += 1;
    if (unanswered <= REPORTED_FAILURES) options.onUnreachable(reason);
  };
  const connect = (): void => {
    cancelRetry = undefined;
    const attempt = new AbortController();
    current = attempt;
    startedMs = clock.monotonic();
    const both = AbortSignal.any([attempt.signal, signal]);
    runtime.events(
      (event) => {
        if (current === attempt) options.onEvent(event);
      },
      (reason) => lost(attempt, reason),
      both,
    );
    void confirm(attempt);
  };
  /** A silent stream looks the same whether the engine lives or not: an answer shows it. */
  const confirm = async (attempt: AbortController): Promise<void> => {
    const reply = await runtime.version();
    if (current !== attempt || signal.aborted) return;
    if (!reply.ok) return lost(attempt, reply.reason);
    live = true;
    if (isFirst) return;
    log.info({ endpoint: runtime.endpoint }, 'container runtime is there');
    options.onReturn();
  };

  connect();
  return {
    isLive: () => live,
    poke: () => {
      if (cancelRetry === undefined) return;
      cancelRetry();
      failures = 0;
      connect();
    },
  };
}

/** Followers of engines that come and go. */
export interface FollowerSet {
  /** Follows these engines, and no others any more. Answers whether one of them was not followed before. */
  readonly set: (runtimes: readonly ContainerRuntime[]) => boolean;
  /** Something about one of the engines changed: those that are not followed are tried again now. */
  readonly poke: () => void;
}

/** A set that follows nobody yet. */
export function createFollowerSet(
  follow: (runtime: ContainerRuntime, signal: AbortSignal) => RuntimeFollower,
  signal: AbortSignal,
): FollowerSet {
  const followed = new Map<
    ContainerRuntime,
    { readonly controller: AbortController; readonly follower: RuntimeFollower }
  >();
  return {
    set: (runtimes) => {
      for (const [runtime, { controller }] of followed) {
        if (runtimes.includes(runtime)) continue;
        controller.abort();
        followed.delete(runtime);
      }
      const added = runtimes.filter((runtime) => !followed.has(runtime));
      for (const runtime of added) {
        const controller = new AbortController();
        const follower = follow(runtime, AbortSignal.any([controller.signal, signal]));
        followed.set(runtime, { controller, follower });
      }
      return added.length > 0;
    },
    poke: () => {
      for (const { follower } of followed.values()) follower.poke();
    },
  };
}
