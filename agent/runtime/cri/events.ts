import { CONTAINER_RUNNING, CRI } from '../../../proto/cri.ts';
import type { RuntimeEvent } from '../runtime.ts';
import { isId } from './container.ts';
import type { CriCall } from './cri-client.ts';

/** The time between two lists: a container is found well within a second of its start. */
const POLL_MS = 700;
/** A list that takes long is asked for more seldom, so that neither side spends more than this part of its time on it. */
const MAX_SHARE = 1 / 50;
/** Containers that were created so shortly before the first list may have been started after the call. */
const JUST_CREATED_MS = 5000;

/** What a poll works with. */
export interface PollOptions {
  readonly call: CriCall;
  readonly onEvent: (event: RuntimeEvent) => void;
  readonly onEnd: (reason: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Lists the containers that run again and again, and reports what differs. The CRI has a stream of events,
 * GetContainerEvents, but it cannot be used: containerd 1.7 gives each event to one reader only, so the kubelet would miss
 * those that the agent reads; CRI-O has it switched off by default; v1alpha2 does not have it.
 */
export async function pollEvents({ call, onEvent, onEnd, signal }: PollOptions): Promise<void> {
  const first = await call(CRI.listContainers, CONTAINER_RUNNING);
  if (signal.aborted) return;
  if (!first.ok) return onEnd(first.reason);
  const sinceNs = (Date.now() - JUST_CREATED_MS) * 1e6;
  for (const { id, createdAt } of first.value)
    if ((createdAt ?? 0) >= sinceNs && isId(id ?? '')) onEvent({ kind: 'containerStarted', id: id ?? '' });
  let before: ReadonlySet<string> = new Set(first.value.map(({ id }) => id ?? ''));
  for (;;) {
    const startedMs = performance.now();
    await pause(POLL_MS, signal);
    if (signal.aborted) return;
    const askedMs = performance.now();
    const listed = await call(CRI.runningIds, undefined);
    if (signal.aborted) return;
    if (!listed.ok) return onEnd(listed.reason);
    const after = new Set(listed.value.filter(isId));
    for (const id of after) if (!before.has(id)) onEvent({ kind: 'containerStarted', id });
    for (const id of before) if (!after.has(id)) onEvent({ kind: 'containerChanged', id });
    before = after;
    const tookMs = performance.now() - askedMs;
    await pause(tookMs / MAX_SHARE - (performance.now() - startedMs), signal);
  }
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
    signal.addEventListener('abort', end);
  });
}
