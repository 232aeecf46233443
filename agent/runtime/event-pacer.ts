import type { RuntimeEvent } from './runtime.ts';

/** Pause between two events that are passed on. */
const PAUSE_MS = 250;
/** Containers whose events wait; those of further ones are dropped, and the next round sees their containers. */
const MAX_WAITING = 512;

/**
 * Passes on at most four events a second, the first at once. Of the events of one container that wait, one is kept: a
 * start before any other, since it asks for more.
 */
export function createEventPacer(
  onEvent: (event: RuntimeEvent) => void,
  signal: AbortSignal,
): (event: RuntimeEvent) => void {
  const waiting = new Map<string, RuntimeEvent>();
  let timer: NodeJS.Timeout | undefined;
  const passOn = (): void => {
    timer = undefined;
    const [next] = waiting;
    if (next === undefined || signal.aborted) return;
    waiting.delete(next[0]);
    timer = setTimeout(passOn, PAUSE_MS);
    timer.unref();
    onEvent(next[1]);
  };
  return (event) => {
    const key = event.kind === 'engineReloaded' ? '' : event.id;
    const before = waiting.get(key);
    if (before === undefined && waiting.size >= MAX_WAITING) return;
    if (before?.kind !== 'containerStarted') waiting.set(key, event);
    if (timer === undefined) passOn();
  };
}
