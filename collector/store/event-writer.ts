import type { DatabaseSync } from 'node:sqlite';
import type { Finding } from '../../posture/finding.ts';
import type { Verdict } from '../../posture/verdict.ts';
import { ofRank } from './rank.ts';
import { actionNumber, eventUid, findingUid, uidNumber } from './row.ts';
import type { ContentRow, NodeName } from './row.ts';
import type { FindingAction, OutboxEvent, StoredFinding } from './store.ts';
import { prepareTrendWriter } from './trend.ts';

/** One thing that happened, before it has a place. `row` and `finding` say the same. */
export interface Happening {
  readonly action: FindingAction;
  readonly atMs: number;
  /** Rank before; undefined for a finding that is new. */
  readonly previous: number | undefined;
  readonly row: ContentRow;
  readonly finding: Finding;
}

/** What a stored finding has beyond what the node said. */
type Where = Pick<StoredFinding, 'uid' | 'nodeId' | 'nodeName' | 'firstSeenMs' | 'changedMs'>;

/** Writes events within one transaction. */
export interface EventWriter {
  readonly write: (node: NodeName & { readonly key: number }, happening: Happening) => OutboxEvent;
  /** Must be called before the transaction ends: keeps the positions that were given. */
  readonly finish: () => void;
}

/** Prepares what writes events. The result opens a writer for the transaction that is open now. */
export function prepareEventWriter(db: DatabaseSync): () => EventWriter {
  const selectStore = db.prepare('SELECT id, position FROM store');
  const updateStore = db.prepare('UPDATE store SET position = ?');
  const insert = db.prepare('INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)');
  const openTrend = prepareTrendWriter(db);
  return () => {
    const store = selectStore.get() as unknown as { readonly id: string; readonly position: number };
    let { position } = store;
    const trend = openTrend();
    return {
      write: (node, { action, atMs, previous, row, finding }) => {
        position += 1;
        trend.note(atMs, action, previous, row.rank);
        const uid = findingUid(node.id, finding.id);
        const { check, subject, rank, firstSeenMs, changedMs, name, detail } = row;
        const at = [position, atMs, actionNumber(action), node.key, uidNumber(uid)] as const;
        insert.run(...at, check, subject, rank, previous ?? null, firstSeenMs, changedMs, name, detail);
        const made = {
          position,
          uid: eventUid(store.id, position, atMs),
          action,
          atMs,
          finding: stored(finding, { uid, nodeId: node.id, nodeName: node.name, firstSeenMs, changedMs }),
        };
        return previous === undefined ? made : withPrevious(made, ofRank(previous).verdict);
      },
      finish: () => {
        if (position === store.position) return;
        updateStore.run(position);
        trend.finish();
      },
    };
  };
}

/** Field by field, here and below: spreading costs several times as much, and there is one for each event. */
function withPrevious({ position, uid, action, atMs, finding }: OutboxEvent, previousVerdict: Verdict): OutboxEvent {
  return { position, uid, action, atMs, finding, previousVerdict };
}

function stored(finding: Finding, { uid, nodeId, nodeName, firstSeenMs, changedMs }: Where): StoredFinding {
  const { id, check, title, verdict, severity, subject, evidence, reason } = finding;
  const all = { id, check, title, verdict, severity, subject, evidence, uid, nodeId, nodeName, firstSeenMs, changedMs };
  return reason === undefined ? all : { ...all, reason };
}
