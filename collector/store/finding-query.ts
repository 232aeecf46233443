import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { SUBJECT_KINDS } from '../../posture/finding.ts';
import { searchWords } from '../../api/finding-list.ts';
import { readCursor, writeCursor } from './cursor.ts';
import { StoreError } from './error.ts';
import { CHECK_OF_FINDING, JOIN_TEXTS, keyOfFinding, SUBJECT_OF_FINDING } from './key-table.ts';
import { fromStatusCode, isWaivedStatus, statusCodesOf } from './status-code.ts';
import { detailParts, toStoredFinding } from './row.ts';
import type { ContentRow } from './row.ts';
import type { CountRow, FindingFilter, FindingPage, StoredFinding } from './store.ts';

/** Most findings on one page. */
const MAX_LIMIT = 10_000;
/** Longest text to look for. */
const MAX_TEXT = 1000;
/** Most words in it: each is looked for in every row. */
const MAX_WORDS = 16;
/** Name of the SQL function that returns whether one of the strings of a detail contains a text. */
const HOLDS = 'detail_holds';

/** A condition in SQL with its values. */
interface Condition {
  readonly sql: string;
  readonly values: readonly SQLInputValue[];
}

interface Row extends ContentRow {
  readonly nodeKey: number;
  readonly nodeId: string;
  readonly nodeName: string;
}

/** Prepares `Store.findings`. It throws StoreError `badFilter` and `badCursor`. */
export function prepareFindingQuery(db: DatabaseSync): (filter: FindingFilter) => FindingPage {
  // LIKE alone would also find the commas between the strings of the JSON array.
  db.function(HOLDS, { deterministic: true }, (detail, text) => {
    const wanted = lower(String(text));
    return detailParts(String(detail)).some((part) => lower(part).includes(wanted)) ? 1 : 0;
  });
  const selectOfCheck = db.prepare(SELECT_OF_CHECK);
  return (filter) => {
    assertFilter(filter);
    const narrow = oneCheckOfOneNode(filter);
    if (narrow !== undefined)
      return toPage(selectOfCheck.all(...narrow, filter.limit + 1) as unknown as Row[], filter.limit);
    const after =
      filter.cursor === undefined ? undefined : readCursor(filter.cursor, ['number', 'string', 'string', 'number']);
    const conditions = conditionsOf(filter);
    const found: Row[] = [];
    // Code by code: each is found through the index, and only the rows of one code have to be sorted.
    for (const statusCode of statusCodesOf(filter.verdicts, filter.severities, filter.waived)) {
      if (after !== undefined && statusCode < Number(after[0])) continue;
      const from = after !== undefined && statusCode === after[0] ? [afterKey(after.slice(1))] : [];
      const statement = selectByStatus(db, [...conditions, ...from]);
      const values = [...conditions, ...from].flatMap((condition) => condition.values);
      // One more than requested shows whether a page follows.
      found.push(...(statement.all(statusCode, ...values, filter.limit + 1 - found.length) as unknown as Row[]));
      if (found.length > filter.limit) break;
    }
    const page = toPage(found, filter.limit);
    return filter.counted === true ? { ...page, ...totalOf(db, filter, page) } : page;
  };
}

/**
 * The findings of one check on one node, by their keys and in the order of every page. What judges in the collector asks
 * this for each node again and again; by the index of status codes it would be 35 statements over all that the node has.
 */
const SELECT_OF_CHECK = `SELECT node.key AS nodeKey, node.id AS nodeId, node.name AS nodeName, check_name.id AS "check",
    subject.text AS subject, finding.status_code AS statusCode, finding.first_seen AS firstSeenMs,
    finding.changed AS changedMs, finding.name, finding.detail, finding.waiver
  FROM node CROSS JOIN check_name CROSS JOIN subject ON subject.node = node.key
  CROSS JOIN finding ON finding.key = ${keyOfFinding('subject.key', 'check_name.key')}
  WHERE node.id = ? AND check_name.id = ? ORDER BY finding.status_code, subject.text LIMIT ?`;

/** Node and check of a filter that asks for nothing else, on its first page. */
function oneCheckOfOneNode({
  nodes,
  checks,
  limit: _limit,
  ...others
}: FindingFilter): readonly [string, string] | undefined {
  const [[node, ...nodesBesides], [check, ...checksBesides]] = [nodes ?? [], checks ?? []];
  if (node === undefined || check === undefined || nodesBesides.length + checksBesides.length > 0) return undefined;
  return Object.values(others).every((value) => value === undefined) ? [node, check] : undefined;
}

/** How many match, where that is cheap: what one page holds, and what the index alone can tell. */
function totalOf(db: DatabaseSync, filter: FindingFilter, page: FindingPage): { readonly total?: number } {
  const { verdicts, severities, waived, text, subject, cursor } = filter;
  if (cursor === undefined && page.cursor === undefined) return { total: page.findings.length };
  if (searchWords(text ?? '').length > 0 || subject !== undefined || filter.waivers !== undefined) return {};
  const codes = statusCodesOf(verdicts, severities, waived);
  const conditions = conditionsOf(filter);
  const where = [`status_code IN (${marks(codes)})`, ...conditions.map(({ sql }) => sql)].join(' AND ');
  const statement = db.prepare(`SELECT count(*) AS total FROM finding INDEXED BY finding_status WHERE ${where}`);
  return { total: Number(statement.get(...codes, ...conditions.flatMap(({ values }) => values))?.['total']) };
}

/** Prepares `Store.counts`. */
export function prepareCounts(db: DatabaseSync): () => readonly CountRow[] {
  const select = db.prepare(
    `SELECT node.id AS nodeId, counted.status_code AS statusCode, counted.count AS count
     FROM (SELECT node, status_code, count(*) AS count FROM finding INDEXED BY finding_status
       GROUP BY status_code, node) AS counted
     JOIN node ON node.key = counted.node ORDER BY node.id, counted.status_code`,
  );
  return () =>
    (select.all() as unknown as { nodeId: string; statusCode: number; count: number }[]).map(
      ({ nodeId, statusCode, count }) => {
        const { verdict, severity } = fromStatusCode(statusCode);
        const counted = { nodeId, verdict, severity, count };
        return isWaivedStatus(statusCode) ? Object.assign(counted, { waived: true as const }) : counted;
      },
    );
}

/** Throws StoreError `badFilter` for a filter that is out of bounds. */
export function assertFilter({ limit, text }: Pick<FindingFilter, 'limit' | 'text'>): void {
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT)
    throw new StoreError('badFilter', `limit must be 1 to ${String(MAX_LIMIT)}`);
  if (text !== undefined && text.length > MAX_TEXT)
    throw new StoreError('badFilter', `text must have at most ${String(MAX_TEXT)} characters`);
  if (searchWords(text ?? '').length > MAX_WORDS)
    throw new StoreError('badFilter', `text must have at most ${String(MAX_WORDS)} words`);
}

function selectByStatus(db: DatabaseSync, conditions: readonly Condition[]): StatementSync {
  const where = conditions.map(({ sql }) => ` AND ${sql}`).join('');
  return db.prepare(
    `SELECT node.key AS nodeKey, node.id AS nodeId, node.name AS nodeName, found.*
     FROM (
       SELECT finding.node AS owner, check_name.id AS "check", subject.text AS subject, status_code AS statusCode,
         first_seen AS firstSeenMs, changed AS changedMs, name, detail, waiver
       FROM finding INDEXED BY finding_status ${JOIN_TEXTS}
       WHERE status_code = ?${where} ORDER BY check_name.id, subject.text, finding.node LIMIT ?
     ) AS found
     JOIN node ON node.key = found.owner ORDER BY found."check", found.subject, found.owner`,
  );
}

function afterKey(key: readonly SQLInputValue[]): Condition {
  return { sql: '(check_name.id, subject.text, finding.node) > (?, ?, ?)', values: key };
}

/** What a filter asks of `finding`, besides verdicts and severities; with a text also of `check_name`. */
export function conditionsOf({
  nodes,
  checks,
  subjectKinds,
  subject,
  text,
  waivers,
}: Omit<FindingFilter, 'limit'>): readonly Condition[] {
  const conditions: Condition[] = [];
  if (nodes !== undefined)
    conditions.push({ sql: `finding.node IN (SELECT key FROM node WHERE id IN (${marks(nodes)}))`, values: nodes });
  if (checks !== undefined)
    conditions.push({
      sql: `${CHECK_OF_FINDING} IN (SELECT key FROM check_name WHERE id IN (${marks(checks)}))`,
      values: checks,
    });
  if (subjectKinds !== undefined) {
    // `0` follows `/`: everything that starts with `kind/` lies between.
    const ranges = subjectKinds.map(() => '(text >= ? AND text < ?)').join(' OR ');
    conditions.push({
      sql: `EXISTS (SELECT 1 FROM subject WHERE key = ${SUBJECT_OF_FINDING} AND (${ranges || 'FALSE'}))`,
      values: subjectKinds.flatMap((kind) => [`${kind}/`, `${kind}0`]),
    });
  }
  if (subject !== undefined) {
    const texts = SUBJECT_KINDS.map((kind) => `${kind}/${subject}`);
    conditions.push({
      sql: `(name = ? OR ${SUBJECT_OF_FINDING} IN (
        SELECT key FROM subject WHERE node IN (SELECT key FROM node) AND text IN (${marks(texts)})))`,
      values: [subject, ...texts],
    });
  }
  if (waivers !== undefined) conditions.push({ sql: `waiver ->> '$.name' IN (${marks(waivers)})`, values: waivers });
  for (const word of searchWords(text ?? '')) conditions.push(holdsWord(word));
  return conditions;
}

/** The word is in the check, the name of the subject, or one of the strings of the detail. */
function holdsWord(word: string): Condition {
  // The detail is JSON text.
  const inDetail = likeHolds(JSON.stringify(word).slice(1, -1));
  // LIKE ends at NUL, which is in no name and no check id.
  const inName = word.includes('\0') ? null : likeHolds(word);
  return {
    sql: `(check_name.id LIKE ? ESCAPE '\\' OR name LIKE ? ESCAPE '\\' OR (detail LIKE ? ESCAPE '\\' AND ${HOLDS}(detail, ?)))`,
    values: [inName, inName, inDetail, word],
  };
}

function marks(values: readonly unknown[]): string {
  return values.map(() => '?').join(', ');
}

function likeHolds(text: string): string {
  return `%${text.replaceAll(/[\\%_]/g, String.raw`\$&`)}%`;
}

/** As LIKE: only the case of ASCII letters does not matter. */
function lower(text: string): string {
  return text.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

function toPage(found: readonly Row[], limit: number): FindingPage {
  const findings = found.slice(0, limit).map((row): StoredFinding => {
    return toStoredFinding(row, { id: row.nodeId, name: row.nodeName });
  });
  const last = found[limit - 1];
  if (found.length <= limit || last === undefined) return { findings };
  return { findings, cursor: writeCursor([last.statusCode, last.check, last.subject, last.nodeKey]) };
}
