import { decodeEvent, encodeSubscribe, SUBSCRIBE } from '../../../proto/containerd.ts';
import { CONTAINER_RUNNING, CRI } from '../../../proto/cri.ts';
import type { RuntimeEvent } from '../runtime.ts';
import { isId } from './container.ts';
import type { CriCall, CriClient } from './cri-client.ts';

/** The time between two lists: a container is found well within a second of its start. */
const POLL_MS = 700;
/** While a stream of events reports changes, the interval between two lists grows up to this. */
const MAX_POLL_MS = 30_000;
/** A list that takes long is asked for more seldom, so that neither side spends more than this part of its time on it. */
const MAX_SHARE = 1 / 50;
/** Containers that were created so shortly before the first list may have been started after the call. */
const JUST_CREATED_MS = 5000;

/** What events are followed with. */
export interface FollowOptions {
  readonly call: CriCall;
  readonly stream: CriClient['stream'];
  readonly onEvent: (event: RuntimeEvent) => void;
  readonly onEnd: (reason: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Lists the containers that run again and again, and reports what differs. containerd has a stream of its own events: with
 * that, an event is reported at once, the list is asked for after it, and seldom otherwise. The stream of the CRI,
 * GetContainerEvents, cannot be used: containerd 1.7 gives each event to one reader only, so the kubelet would miss those
 * that the agent reads; CRI-O has it switched off by default; v1alpha2 does not have it.
 */
export async function followEvents({ call, stream, onEvent, onEnd, signal }: FollowOptions): Promise<void> {
  const ended = new AbortController();
  const either = AbortSignal.any([signal, ended.signal]);
  const end = (reason: string): void => {
    if (either.aborted) return;
    ended.abort();
    onEnd(reason);
  };
  const pace = createPace(either);
  // Before the first list, so that nothing happens between the two.
  void stream({
    target: SUBSCRIBE,
    request: encodeSubscribe(),
    onMessage: (bytes) => {
      const event = reportedEvent(bytes);
      if (event === undefined) return;
      onEvent(event);
      if (event.kind !== 'execChanged') pace.quicken();
    },
    onEnd: ({ isServed, reason }) => {
      // CRI-O.
      if (!isServed) pace.keepQuick();
      else end(reason);
    },
    signal: either,
  });
  const first = await call(CRI.listContainers, CONTAINER_RUNNING);
  if (either.aborted) return;
  if (!first.ok) return end(first.reason);
  const sinceNs = (Date.now() - JUST_CREATED_MS) * 1e6;
  for (const { id, createdAt } of first.value)
    if ((createdAt ?? 0) >= sinceNs && isId(id ?? '')) onEvent({ kind: 'containerStarted', id: id ?? '' });
  let before: ReadonlySet<string> = new Set(first.value.map(({ id }) => id ?? ''));
  for (;;) {
    const startedMs = performance.now();
    await pace.next();
    if (either.aborted) return;
    const askedMs = performance.now();
    const listed = await call(CRI.runningIds, undefined);
    if (either.aborted) return;
    if (!listed.ok) return end(listed.reason);
    const after = new Set(listed.value.filter(isId));
    for (const id of after) if (!before.has(id)) onEvent({ kind: 'containerStarted', id });
    for (const id of before) if (!after.has(id)) onEvent({ kind: 'containerChanged', id });
    before = after;
    const tookMs = performance.now() - askedMs;
    await pause(tookMs / MAX_SHARE - (performance.now() - startedMs), either);
  }
}

/** The event in a message of the stream; undefined: not about a container. */
function reportedEvent(bytes: Buffer): RuntimeEvent | undefined {
  try {
    const { kind, containerId: id } = decodeEvent(bytes);
    if (!isId(id)) return undefined;
    // The CRI follows the events of containerd itself, so its list has the change a moment later.
    return kind === 'exec' ? { kind: 'execChanged', id } : { kind: 'containerChanged', id };
  } catch {
    // What it was about is seen in the next list.
    return undefined;
  }
}

/** When the list is asked for. */
interface Pace {
  /** Resolves when it is time, or when the signal aborts. */
  readonly next: () => Promise<void>;
  /** Something happened: the list is asked for at once, and some more times soon. */
  readonly quicken: () => void;
  /** There are no events: the list is the only source of changes. */
  readonly keepQuick: () => void;
}

function createPace(signal: AbortSignal): Pace {
  let maxMs = MAX_POLL_MS;
  let delayMs = POLL_MS;
  let wake: AbortController | undefined;
  const quicken = (): void => {
    delayMs = POLL_MS;
    wake?.abort();
  };
  return {
    next: async () => {
      wake = new AbortController();
      const waitMs = delayMs;
      delayMs = Math.min(2 * delayMs, maxMs);
      await pause(waitMs, AbortSignal.any([signal, wake.signal]));
      wake = undefined;
    },
    quicken,
    keepQuick: () => {
      maxMs = POLL_MS;
      quicken();
    },
  };
}

/** Ends early when the signal aborts. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, Math.max(0, ms));
    // Nobody waits for the next list: a program that has nothing else to do may end.
    timer.unref();
    signal.addEventListener('abort', end);
  });
}
