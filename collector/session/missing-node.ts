import type { Finding } from '../../posture/finding.ts';
import { within } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import type { EventBus } from '../store/event-bus.ts';
import { packFinding } from '../store/row.ts';
import type { NodeRow, Store } from '../store/store.ts';
import type { NodeLock } from './node-lock.ts';
import type { NodeRegistry } from './node-registry.ts';
import { tell } from './writer.ts';

/** What is stored of a node that never had a session: its name, since when it is known, and its one finding. */
export interface MissingNode {
  readonly id: string;
  readonly name: string;
  readonly sinceMs: number;
  readonly finding: Finding;
}

/** The replication epoch of what the collector itself stores of a node: the first session of its agent replaces it. */
export const COLLECTOR_EPOCH = 'collector';

/** Deadline of pending writes of the row, without which the finding would have no name of its node. */
const WRITE_DEADLINE_MS = 5000;

/** What storing missing nodes works with. */
export interface MissingNodeOptions {
  readonly store: Pick<Store, 'commit' | 'replicationState'>;
  readonly nodes: NodeRegistry;
  readonly lock: NodeLock;
  readonly eventBus: EventBus;
  readonly hasSession: (nodeId: string) => boolean;
  readonly clock: Clock;
}

/** Has a node of this row never had a session? */
export function isNeverEnrolled({ lastSeenMs }: Pick<NodeRow, 'lastSeenMs'>): boolean {
  return lastSeenMs === 0;
}

/**
 * Stores a node that never had a session with its finding, in place of what was stored of it before. Does nothing if it
 * has had a session by now. Rejects with the error of the store.
 */
export function storeMissingNode(
  { id, name, sinceMs, finding }: MissingNode,
  { store, nodes, lock, eventBus, hasSession, clock }: MissingNodeOptions,
): Promise<void> {
  return lock.hold(id, async () => {
    const row = nodes.find(id);
    if (hasSession(id) || (row !== undefined && !isNeverEnrolled(row))) return;
    if (row === undefined) nodes.changeNow(id, { name, firstSeenMs: sinceMs, lastSeenMs: 0 });
    await within(clock, WRITE_DEADLINE_MS, nodes.written(id), () => undefined);
    const sequence = ((await store.replicationState(id))?.committedSequence ?? 0) + 1;
    const atMs = clock.now();
    const times = { observedAtMs: atMs, receivedAtMs: atMs };
    const put = [packFinding(finding)];
    const commit = { nodeId: id, epoch: COLLECTOR_EPOCH, sequence, snapshot: true, put, gone: [], ...times };
    for (const result of await store.commit([commit])) if (result.outcome === 'applied') tell(eventBus, result);
  });
}
