import type { EventGroup } from '../../service/config/event-group.ts';
import type { Filtered, Sink, SinkOutcome } from '../sink/sink.ts';
import {
  isActivityEvent,
  isDenialEvent,
  isDetectionEvent,
  isFindingEvent,
  isRemediationEvent,
  isVulnerabilityEvent,
} from '../store/stored-event.ts';
import type { StoredEvent } from '../store/stored-event.ts';
import type { ActivityKind } from './activity.ts';

const GROUP_OF_ACTIVITY = {
  audit: 'audit',
  lifecycle: 'lifecycle',
  drop: 'detections',
  device: 'inventory',
  software: 'inventory',
  configuration: 'configuration',
  scan: 'scans',
  evidence: 'evidence',
} as const satisfies Record<ActivityKind, EventGroup>;

/** The group that an event belongs to. */
export function groupOf(event: StoredEvent): EventGroup {
  if (isFindingEvent(event)) return 'findings';
  if (isVulnerabilityEvent(event)) return 'vulnerabilities';
  if (isDenialEvent(event) || isDetectionEvent(event)) return 'detections';
  if (isRemediationEvent(event)) return 'remediation';
  return isActivityEvent(event) ? GROUP_OF_ACTIVITY[event.activity.kind] : 'refusals';
}

/** The kinds of activities that belong to these groups. */
export function activityKindsOf(groups: readonly EventGroup[]): ReadonlySet<ActivityKind> {
  const kinds = Object.keys(GROUP_OF_ACTIVITY) as ActivityKind[];
  return new Set(kinds.filter((kind) => groups.includes(GROUP_OF_ACTIVITY[kind])));
}

/** What a filter decides about events, in order. */
export type DecideBatch = (events: readonly StoredEvent[]) => Promise<Filtered>;

/** The sink, which gets only events of these groups that the filter does not exclude; the others count as delivered in their turn. */
export function selectEvents(sink: Sink, groups: ReadonlySet<EventGroup>, decide?: DecideBatch): Sink {
  /** The inner sink has accepted events that it has not acknowledged; `acknowledged`: up to which position it has. */
  let isPending = false;
  let acknowledged = 0;
  const note = (outcome: SinkOutcome, wanted: readonly StoredEvent[]): SinkOutcome => {
    if (outcome.outcome === 'ok') {
      const newest = wanted.at(-1)?.position ?? 0;
      acknowledged = outcome.acknowledged ?? newest;
      isPending = acknowledged < newest;
    } else if (outcome.outcome === 'retry' || outcome.outcome === 'pause') isPending = false;
    return outcome;
  };
  const send = async (batch: readonly StoredEvent[], wanted: readonly StoredEvent[]): Promise<SinkOutcome> => {
    // Without a wanted event the sink is not asked, and what it has not acknowledged must not be passed over.
    if (batch.length > 0 && wanted.length === 0) return isPending ? { outcome: 'ok', acknowledged } : { outcome: 'ok' };
    return note(await sink.send(wanted), wanted);
  };
  return {
    name: sink.name,
    close: sink.close,
    send: async (batch) => {
      const ofGroups = batch.filter((event) => groups.has(groupOf(event)));
      if (decide === undefined || ofGroups.length === 0) return send(batch, ofGroups);
      const filtered = await decide(ofGroups);
      const wanted = ofGroups.filter(({ uid }) => !filtered.excluded.has(uid));
      const outcome = await send(batch, wanted);
      return outcome.outcome === 'split' || outcome.outcome === 'pause' ? outcome : { ...outcome, filtered };
    },
  };
}
