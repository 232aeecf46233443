import { detailOf } from './row.ts';
import { isActivityEvent, isDenialEvent, isDetectionEvent, isFindingEvent } from './stored-event.ts';
import { isRemediationEvent, isVulnerabilityEvent } from './stored-event.ts';
import type { StoredEvent } from './stored-event.ts';

/** Characters of detail in a unit, as in the quota of a node (4 KiB): a node must not take a disk with few events. */
const UNIT_LENGTH = 4096;

/** Names the source that is the node with this id. No other source begins like this. */
export function nodeSource(nodeId: string): string {
  return `node/${nodeId}`;
}

/** The node of a {@link nodeSource}; undefined: the source is a kind of events. */
export function nodeOfSource(source: string): string | undefined {
  return source.startsWith('node/') ? source.slice('node/'.length) : undefined;
}

/** Whose share of a backlog an event is: that of its node, or of its kind. `COUNTS` in backlog-limit.ts has the same. */
export function sourceOf(event: StoredEvent): string {
  if (isFindingEvent(event)) return nodeSource(event.finding.nodeId);
  if (isVulnerabilityEvent(event)) return 'vulnerability_event';
  if (isDenialEvent(event)) return 'denial';
  if (isRemediationEvent(event)) return 'remediation';
  if (isActivityEvent(event)) return 'nodeId' in event.activity ? nodeSource(event.activity.nodeId) : 'activity';
  return isDetectionEvent(event) ? nodeSource(event.detection.nodeId) : 'refusal';
}

/** How much an event counts: one, or one for each 4 KiB of its detail. */
export function unitsOf(event: StoredEvent): number {
  return isFindingEvent(event) ? unitsOfDetail(detailOf(event.finding)) : 1;
}

/** As {@link unitsOf}, of `detailOf` a finding. */
export function unitsOfDetail(detail: string): number {
  return Math.max(1, Math.ceil(detail.length / UNIT_LENGTH));
}
