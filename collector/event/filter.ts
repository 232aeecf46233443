import { setImmediate } from 'node:timers/promises';
import type { EventFilter } from '../../api/event-filter.ts';
import type { StoredEvent } from '../store/stored-event.ts';
import type { OcsfEvent } from './ocsf/ocsf.ts';
import type { DecideBatch } from './selection.ts';

/** Events between two pauses: a filter that uses all its work must not hold up the sessions of nodes. */
const EVENTS_PER_TURN = 50;

/**
 * Applies a filter to batches. An event for which the filter is not known is not excluded: what an expression cannot
 * judge must reach the receiver.
 */
export function createDecide(
  filter: EventFilter,
  render: (batch: readonly StoredEvent[]) => Promise<readonly OcsfEvent[]>,
): DecideBatch {
  return async (events) => {
    const rendered = await render(events);
    const excluded = new Set<string>();
    const undecided = new Map<string, string>();
    for (const [index, { uid }] of events.entries()) {
      if (index > 0 && index % EVENTS_PER_TURN === 0) await setImmediate();
      const holds = filter.holds(rendered[index] ?? {});
      if (!holds.known) undecided.set(uid, holds.reason);
      else if (!holds.value) excluded.add(uid);
    }
    return { excluded, undecided };
  };
}
