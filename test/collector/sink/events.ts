import { CHECKS } from '../../../posture/check/registry.ts';
import { toOcsf } from '../../../collector/event/ocsf/ocsf.ts';
import type { OcsfContext, OcsfEvent } from '../../../collector/event/ocsf/ocsf.ts';
import type { StoredFinding } from '../../../collector/store/store.ts';
import type { OutboxEvent, StoredEvent } from '../../../collector/store/stored-event.ts';
import { finding, nodeRow, T0 } from '../store/fleet.ts';

const CONTEXT: OcsfContext = {
  version: '0.1.0',
  checks: new Map(CHECKS.map((check) => [check.id, check])),
  node: (nodeId) => (nodeId === 'n1' ? nodeRow() : undefined),
  nowMs: T0 + 60_000,
};

/** An event of node `n1`: a privileged container was found. */
export function event(
  position: number,
  over: Partial<StoredFinding> = {},
  more: Partial<OutboxEvent> = {},
): OutboxEvent {
  const stored: StoredFinding = {
    ...finding(),
    uid: '0cb3acb61f91ca4d1bf92fb1fbd6ad1f',
    nodeId: 'n1',
    nodeName: 'web-1',
    firstSeenMs: T0,
    changedMs: T0 + 1000,
    ...over,
  };
  return { position, uid: `store-${String(position)}-time`, action: 'opened', atMs: T0, finding: stored, ...more };
}

/** Events with these positions, alike but for their subject. */
export function events(from: number, to: number, over: Partial<StoredFinding> = {}): readonly OutboxEvent[] {
  return Array.from({ length: to - from + 1 }, (_, index) => {
    const position = from + index;
    return event(position, { ...finding({ on: `c${String(position)}` }), ...over });
  });
}

/** The OCSF event of an outbox event, always the same. */
export function ocsfOf(one: StoredEvent): OcsfEvent {
  return toOcsf(one, CONTEXT);
}

/** What a collector gives its sinks. */
export async function render(batch: readonly StoredEvent[]): Promise<readonly OcsfEvent[]> {
  return batch.map(ocsfOf);
}

/** `metadata.uid` of an OCSF event. */
export function uidOf(ocsf: OcsfEvent): string {
  return String((ocsf['metadata'] as { uid?: unknown } | undefined)?.uid);
}

/** What a sink that was never used says of its delivery. */
export const UNUSED = {
  dropped: 0,
  droppedMost: undefined,
  incomplete: 0,
  filtered: 0,
  undecided: 0,
  ratePerSecond: 0,
  lastErrorMs: undefined,
  lastSuccessMs: undefined,
};
