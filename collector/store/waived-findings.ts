import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import type { FindingWaiver } from '../../policy/waiver.ts';
import type { Subject } from '../../posture/finding.ts';
import { prepareEventWriter } from './event-writer.ts';
import type { FindingChange } from './event-writer.ts';
import { CHECK_OF_FINDING, JOIN_TEXTS } from './key-table.ts';
import { actionOf, isWaivable, isWaivedStatus, reportedStatus, statusCodesOf, waivedStatus } from './status-code.ts';
import { toSubject, toWaiver } from './row.ts';
import type { ContentRow, NodeName } from './row.ts';
import type { PackedFinding, ReviewedWaivers, ReviewPlace, WaiverReview } from './store.ts';
import type { OutboxEvent } from './stored-event.ts';

/*
 * A finding that a waiver accepts has a status code of its own (status-code.ts), and the waiver beside it as JSON:
 * `{"name","owner","reason","expires"}`. Its hash is that of what the node reported, so no digest depends on waivers.
 */

/** Decides which findings waivers accept. It is called within transactions: it must be quick, and must not throw. */
export interface FindingWaivers {
  /** Checks that a waiver names. */
  readonly checks: () => ReadonlySet<string>;
  /** The waiver that accepts a finding at a time of the collector; undefined: none does. */
  readonly accept: (finding: WaivableFinding, atMs: number) => FindingWaiver | undefined;
}

/** A failure, or a finding that needs a person. */
export interface WaivableFinding {
  readonly check: string;
  readonly subject: Subject;
  readonly node: NodeName;
  /** The id of the image that a container of the node runs, as the node reported it last; undefined: not known. */
  readonly imageIdOf: (containerId: string) => string | undefined;
  /** The waiver that accepted it so far. */
  readonly before: FindingWaiver | undefined;
}

/** Accepts nothing. */
export const NO_WAIVERS: FindingWaivers = Object.freeze({ checks: () => new Set<string>(), accept: () => undefined });

type Node = NodeName & { readonly key: number };

/** Access to what waivers accept. */
export interface WaivedFindings {
  /** Does a waiver name the check? */
  readonly concerns: (check: string) => boolean;
  /** The finding as it is stored: with its waiver, where one accepts it. `before`: JSON of its waiver so far. */
  readonly decide: (
    node: Node,
    finding: PackedFinding,
    terms: { readonly before: string | null | undefined; readonly receivedMs: number },
  ) => PackedFinding;
  /** See `Store.reviewWaivers`. Must be called within a transaction. */
  readonly review: (terms: WaiverReview) => ReviewedWaivers;
  /** See `Store.waivedCounts`. */
  readonly counts: () => ReadonlyMap<string, number>;
}

interface Row extends ContentRow {
  readonly key: number;
  readonly node: number;
  readonly nodeId: string;
  readonly nodeName: string;
}

const WAIVED_CODES = statusCodesOf(undefined, undefined, true);
/** What a review looks at, in its order: what may become waived first, so that each finding is decided once. */
const REVIEWED_CODES = [...WAIVED_CODES.map(reportedStatus), ...WAIVED_CODES];
const START: Omit<ReviewPlace, 'statusCode'> = { node: 0, key: 0 };

/** Prepares the statements. */
export function prepareWaivedFindings(db: DatabaseSync, waivers: FindingWaivers): WaivedFindings {
  const openWriter = prepareEventWriter(db);
  const selectImage = db.prepare(
    `SELECT container.value ->> '$.imageId' AS imageId FROM node, json_each(node.containers) AS container
     WHERE node.key = ? AND container.value ->> '$.id' = ? LIMIT 1`,
  );
  // The index alone has the check of a finding: only those that a waiver may accept are read.
  const pageOf = (condition: string): string =>
    `SELECT found.key, found.node, node.id AS nodeId, node.name AS nodeName, check_name.id AS "check",
       subject.text AS subject, finding.status_code AS statusCode, finding.first_seen AS firstSeenMs,
       finding.changed AS changedMs, finding.name, finding.detail, finding.waiver
     FROM (SELECT node, key FROM finding INDEXED BY finding_status
       WHERE status_code = ?1 AND node >= ?2 AND (node, key) > (?2, ?3) AND ${condition}
       ORDER BY node, key LIMIT ?4) AS found
     CROSS JOIN finding ON finding.key = found.key ${JOIN_TEXTS}
     CROSS JOIN node ON node.key = found.node ORDER BY found.node, found.key`;
  const selectWaived = db.prepare(pageOf('TRUE'));
  const selectNamed = db.prepare(
    pageOf(
      `${CHECK_OF_FINDING} IN (SELECT key FROM check_name WHERE id IN (SELECT CAST(value AS TEXT) FROM json_each(?5)))`,
    ),
  );
  const update = db.prepare('UPDATE finding SET status_code = ?, waiver = ?, changed = ? WHERE key = ?');
  const selectCounts = db.prepare(
    `SELECT waiver ->> '$.name' AS name, count(*) AS count FROM finding INDEXED BY finding_status
     WHERE status_code IN (${WAIVED_CODES.join(', ')}) GROUP BY 1`,
  );

  const imageIdOf = (node: number, containerId: string): string | undefined => {
    const imageId = selectImage.get(node, containerId)?.['imageId'];
    return typeof imageId === 'string' && imageId !== '' ? imageId : undefined;
  };
  const accept = (
    node: Node,
    { check, subject, name, waiver }: Pick<ContentRow, 'check' | 'subject' | 'name' | 'waiver'>,
    atMs: number,
  ): string | undefined => {
    const accepted = waivers.accept(
      {
        check,
        subject: toSubject({ subject, name }),
        node,
        imageIdOf: (containerId) => imageIdOf(node.key, containerId),
        before: typeof waiver === 'string' ? toWaiver(waiver) : undefined,
      },
      atMs,
    );
    return accepted === undefined ? undefined : JSON.stringify(accepted);
  };
  const rowsAfter = (place: ReviewPlace, limit: number): readonly Row[] => {
    const { statusCode, node, key } = place;
    const values: SQLInputValue[] = [statusCode, node, key, limit];
    const rows = isWaivedStatus(statusCode)
      ? selectWaived.all(...values)
      : selectNamed.all(...values, JSON.stringify([...waivers.checks()]));
    return rows as unknown as readonly Row[];
  };

  return {
    concerns: (check) => waivers.checks().has(check),
    decide: (node, finding, { before, receivedMs }) => {
      if (!isWaivable(finding.statusCode)) return finding;
      const { check, subject, name, statusCode } = finding;
      const waiver = accept(node, { check, subject, name, waiver: before ?? null }, receivedMs);
      return waiver === undefined ? finding : { ...finding, statusCode: waivedStatus(statusCode), waiver };
    },
    review: ({ after, limit, atMs }) => {
      const writer = openWriter();
      const written: { readonly change: FindingChange; readonly node: NodeName; readonly position: number }[] = [];
      const decideAgain = (row: Row): void => {
        const node = { id: row.nodeId, name: row.nodeName, key: row.node };
        const waiver = accept(node, row, atMs) ?? null;
        if (waiver === row.waiver) return;
        const reported = reportedStatus(row.statusCode);
        const statusCode = waiver === null ? reported : waivedStatus(reported);
        const changedMs = Math.max(atMs, row.firstSeenMs);
        update.run(statusCode, waiver, changedMs, row.key);
        const action = actionOf(row.statusCode, statusCode) ?? 'changed';
        const { check, subject, firstSeenMs, name, detail, statusCode: previous } = row;
        const content = { check, subject, statusCode, firstSeenMs, changedMs, name, detail, waiver };
        const change: FindingChange = { ...content, action, atMs, previous };
        written.push({ change, node, position: writer.write(node, change) });
      };
      let place: ReviewPlace | undefined = after;
      let left = limit;
      for (const statusCode of REVIEWED_CODES) {
        if (after !== undefined && REVIEWED_CODES.indexOf(after.statusCode) > REVIEWED_CODES.indexOf(statusCode))
          continue;
        const from = place?.statusCode === statusCode ? place : { ...START, statusCode };
        const rows = rowsAfter(from, left);
        rows.forEach(decideAgain);
        left -= rows.length;
        const last = rows.at(-1);
        place = last === undefined ? undefined : { statusCode, node: last.node, key: last.key };
        if (left <= 0) break;
      }
      writer.finish();
      let events: readonly OutboxEvent[] | undefined;
      return {
        next: left <= 0 ? place : undefined,
        change: {
          newest: written.at(-1)?.position ?? 0,
          count: written.length,
          get events() {
            events ??= written.map(({ node, change, position }) => writer.read(node, change, position));
            return events;
          },
        },
      };
    },
    counts: () => new Map(selectCounts.all().map(({ name, count }) => [String(name), Number(count)])),
  };
}
