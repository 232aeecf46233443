import type { DatabaseSync } from 'node:sqlite';
import type { ActivityTable } from './activity-table.ts';
import type { Detector } from './detector.ts';
import { prepareEventWriter } from './event-writer.ts';
import type { FindingChange } from './event-writer.ts';
import { prepareImageClaims } from './image-claims.ts';
import { CHECK_OF_FINDING, FINDINGS_OF_SUBJECT } from './key-table.ts';
import { isActiveStatus, statusCodesOf } from './status-code.ts';
import type { ContentRow } from './row.ts';
import type { RemovedNode } from './store.ts';
import type { OutboxEvent } from './stored-event.ts';
import { prepareReplicationTable } from './replication-state.ts';

/*
 * A node that is removed leaves its row behind for as long as history names it, as empty as that of a node that was
 * never introduced. `removed_node` says which those rows are, and up to which position history can name them.
 */

/** What removes nodes. */
export interface NodeRemovalStatement {
  /** See `Store.removeNode`. Must be called within a transaction. */
  readonly apply: (nodeId: string, atMs: number) => RemovedNode | undefined;
  /** Lets go of rows that no history names any more. Must be called within a transaction. */
  readonly prune: () => void;
}

/** Status codes of findings that are open or waived. */
const ACTIVE_CODES = statusCodesOf().filter(isActiveStatus).join(', ');

/** Of the row only what history shows stays. */
const EMPTY_ROW = `epoch = '', sequence = 0, has_snapshot = 0, digest = 0, findings = 0, introduced = 0, agent_version = '',
  operating_system = '', kernel_release = '', architecture = '', cpus = 0, memory_bytes = 0, runtime = '',
  security_modules = '', containers = '[]', first_seen = 0, last_seen = 0, connected = 0, offline_since = 0,
  agent_rss_bytes = 0, agent_cpu_ms = 0, dropped = 0`;

/** Prepares the statements. */
export function prepareRemoveNode(
  db: DatabaseSync,
  activities: ActivityTable,
  detector: Detector,
): NodeRemovalStatement {
  const streams = prepareReplicationTable(db);
  const openWriter = prepareEventWriter(db);
  const imageClaims = prepareImageClaims(db);
  const selectIntroduced = db.prepare('SELECT introduced, agent_version AS version FROM node WHERE key = ?');
  const selectOpen = db.prepare(
    `SELECT check_name.id AS "check", subject.text AS subject, finding.status_code AS statusCode,
       finding.first_seen AS firstSeenMs, finding.changed AS changedMs, finding.name, finding.detail, finding.waiver
     FROM subject CROSS JOIN finding ON ${FINDINGS_OF_SUBJECT} CROSS JOIN check_name ON check_name.key = ${CHECK_OF_FINDING}
     WHERE subject.node = ? AND finding.status_code IN (${ACTIVE_CODES}) ORDER BY finding.status_code, finding.key`,
  );
  const removeFindings = db.prepare(
    `DELETE FROM finding WHERE key IN (
       SELECT finding.key FROM subject CROSS JOIN finding ON ${FINDINGS_OF_SUBJECT} WHERE subject.node = ?)`,
  );
  const removeSubjects = db.prepare('DELETE FROM subject WHERE node = ?');
  const empty = db.prepare(`UPDATE node SET ${EMPTY_ROW} WHERE key = ?`);
  const remember = db.prepare(
    `INSERT INTO removed_node SELECT ?, position FROM store WHERE TRUE
     ON CONFLICT (node) DO UPDATE SET position = excluded.position`,
  );
  const beyondHistory = `SELECT node FROM removed_node
    WHERE position < coalesce((SELECT min(position) FROM event), 9007199254740991)`;
  // One that came back since then is in use.
  const removeNodes = db.prepare(`DELETE FROM node WHERE key IN (${beyondHistory}) AND introduced = 0 AND epoch = ''`);
  const removeMemory = db.prepare(`DELETE FROM removed_node WHERE node IN (${beyondHistory})`);

  return {
    apply: (nodeId, atMs) => {
      const node = streams.find(nodeId);
      if (node === undefined) return undefined;
      const row = selectIntroduced.get(node.key);
      if (node.epoch === '' && row?.['introduced'] !== 1) return undefined;
      const writer = openWriter();
      const changes = (selectOpen.all(node.key) as unknown as ContentRow[]).map((row) => {
        const resolved: FindingChange = {
          ...row,
          action: 'resolved',
          cause: 'nodeRemoved',
          atMs,
          previous: row.statusCode,
        };
        return [resolved, writer.write(node, resolved)] as const;
      });
      writer.finish();
      const removal = {
        kind: 'lifecycle',
        change: 'remove',
        program: 'plimsoll-agent',
        version: String(row?.['version'] ?? ''),
        node: { nodeId: node.id, nodeName: node.name },
      } as const;
      const removed = activities.write([{ activity: removal, atMs }]);
      detector.removeNode(node.key);
      removeFindings.run(node.key);
      removeSubjects.run(node.key);
      imageClaims.removeNode(node.key);
      empty.run(node.key);
      // After the writer: the position is that of the last event.
      remember.run(node.key);
      let events: readonly OutboxEvent[] | undefined;
      return {
        findings: node.findings,
        resolved: changes.length,
        newest: removed || (changes.at(-1)?.[1] ?? 0),
        get events() {
          events ??= changes.map(([change, position]) => writer.read(node, change, position));
          return events;
        },
      };
    },
    prune: () => {
      removeNodes.run();
      removeMemory.run();
    },
  };
}
