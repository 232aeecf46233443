import type { EventDrop } from '../activity.ts';
import { classOf, integerOf, severityOf } from './ocsf-event.ts';
import type { OcsfEvent } from './ocsf-event.ts';

const CLASS = { uid: 6008, name: 'Application Error', category: 'Application Activity' } as const;
const GENERAL_ERROR = { id: 1, name: 'General Error' } as const;

/**
 * Events that a sink does not get, as OCSF 1.8 Application Error:
 * https://schema.ocsf.io/1.8.0/classes/application_error
 */
export function toDropError(
  { sink, events, most }: EventDrop,
  { atMs, metadata }: { readonly atMs: number; readonly metadata: OcsfEvent },
): OcsfEvent {
  return {
    ...classOf(CLASS, GENERAL_ERROR, atMs),
    ...severityOf('high'),
    status_id: 2,
    status: 'Failure',
    message: `${String(events)} events for the sink ${sink} were dropped: too many waited for it${most === undefined ? '' : `; ${String(most.events)} of them are from the node ${most.nodeId}`}`,
    count: integerOf(events),
    metadata: { ...metadata, log_name: 'plimsoll-lifecycle' },
    unmapped: { sink, ...(most && { node: most.nodeId, node_events: most.events }) },
  };
}
