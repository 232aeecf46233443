import { CONTAINER_RUNNING } from '../../../proto/cri.ts';
import type { Reply, RuntimeEvent } from '../runtime.ts';
import type { Listed } from './listing.ts';

/**
 * The time between two lists. A container is found, on average, after half of it: well within a second, at a cost of a
 * thousandth of a core for 200 containers.
 */
const POLL_MS = 500;
/** A list that takes long is asked for more seldom, so that neither side spends more than this part of its time on it. */
const MAX_SHARE = 1 / 50;
/** Containers that were created so shortly before the first list may have been started after the call. */
const JUST_CREATED_MS = 5000;

/** What a poll works with. */
export interface PollOptions {
  readonly list: (state: 'all') => Promise<Reply<Listed>>;
  readonly onEvent: (event: RuntimeEvent) => void;
  readonly onEnd: (reason: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Lists the containers again and again, and reports what differs. The CRI has a stream of events, GetContainerEvents,
 * but it cannot be used: containerd 1.7 gives each event to one reader only, so the kubelet would miss those that the
 * agent reads; CRI-O has it switched off by default; v1alpha2 does not have it.
 */
export async function pollEvents({ list, onEvent, onEnd, signal }: PollOptions): Promise<void> {
  let before: ReadonlyMap<string, number> | undefined;
  while (!signal.aborted) {
    const startedMs = performance.now();
    const listed = await list('all');
    if (signal.aborted) return;
    if (!listed.ok) return onEnd(listed.reason);
    const after = statesOf(listed.value);
    for (const event of before === undefined ? eventsAtStart(listed.value) : differences(before, after)) onEvent(event);
    before = after;
    const tookMs = performance.now() - startedMs;
    await pause(Math.max(POLL_MS, tookMs / MAX_SHARE), signal);
  }
}

/** The state of each container and sandbox by id; a sandbox that is listed runs. */
function statesOf({ containers, sandboxes }: Listed): ReadonlyMap<string, number> {
  const states = new Map<string, number>();
  for (const { id } of sandboxes) states.set(id ?? '', CONTAINER_RUNNING);
  for (const { id, state } of containers) states.set(id ?? '', state ?? 0);
  return states;
}

function eventsAtStart({ containers }: Listed): readonly RuntimeEvent[] {
  const sinceNs = (Date.now() - JUST_CREATED_MS) * 1e6;
  return containers
    .filter(({ state, createdAt }) => state === CONTAINER_RUNNING && (createdAt ?? 0) >= sinceNs)
    .map(({ id }) => ({ kind: 'containerStarted', id: id ?? '' }));
}

function differences(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): readonly RuntimeEvent[] {
  const events: RuntimeEvent[] = [];
  for (const [id, state] of after)
    if (before.get(id) !== state)
      events.push({ kind: state === CONTAINER_RUNNING ? 'containerStarted' : 'containerChanged', id });
  for (const id of before.keys()) if (!after.has(id)) events.push({ kind: 'containerChanged', id });
  return events;
}

/** Ends early when the signal aborts; keeps no process alive. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}
