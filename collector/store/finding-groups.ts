import type { DatabaseSync } from 'node:sqlite';
import { assertFilter, conditionsOf } from './finding-query.ts';
import { CHECK_OF_FINDING, FINDINGS_OF_SUBJECT, SUBJECT_OF_FINDING } from './key-table.ts';
import { toSubject } from './row.ts';
import { fromStatusCode, isWaivedStatus, statusCodesOf } from './status-code.ts';
import type { FindingGroup, FindingGroupFilter } from './store.ts';

interface Row {
  readonly check: string | null;
  readonly nodeId: string | null;
  readonly nodeName: string | null;
  readonly subject: string | null;
  readonly name: string | null;
  /** JSON array: how many findings have each status code. */
  readonly counts: string;
}

/** The key to group by, and the texts that belong to it. */
const GROUPINGS = Object.freeze({
  check: {
    key: CHECK_OF_FINDING,
    columns: 'check_name.id AS "check", NULL AS nodeId, NULL AS nodeName, NULL AS subject, NULL AS name',
    join: 'JOIN check_name ON check_name.key = grouped.key',
  },
  node: {
    key: 'finding.node',
    columns: 'NULL AS "check", node.id AS nodeId, node.name AS nodeName, NULL AS subject, NULL AS name',
    join: 'JOIN node ON node.key = grouped.key',
  },
  subject: {
    key: SUBJECT_OF_FINDING,
    columns: `NULL AS "check", node.id AS nodeId, node.name AS nodeName, subject.text AS subject,
      (SELECT finding.name FROM finding WHERE ${FINDINGS_OF_SUBJECT} LIMIT 1) AS name`,
    join: 'JOIN subject ON subject.key = grouped.key JOIN node ON node.key = subject.node',
  },
} satisfies Record<FindingGroupFilter['by'], unknown>);

const CODES = statusCodesOf();
const SUMS = CODES.map((code) => `sum(status_code = ${String(code)})`);

/** Prepares `Store.findingGroups`. It throws StoreError `badFilter`. */
export function prepareFindingGroups(db: DatabaseSync): (filter: FindingGroupFilter) => readonly FindingGroup[] {
  return (filter) => {
    assertFilter(filter);
    const { key, columns, join } = GROUPINGS[filter.by];
    const codes = statusCodesOf(filter.verdicts, filter.severities, filter.waived);
    const conditions = conditionsOf(filter);
    const where = [`status_code IN (${codes.map(() => '?').join(', ')})`, ...conditions.map(({ sql }) => sql)];
    const worstFirst = SUMS.map((sum) => `${sum} DESC`).join(', ');
    const statement = db.prepare(
      `SELECT ${columns}, grouped.counts AS counts
       FROM (
         SELECT ${key} AS key, json_array(${SUMS.join(', ')}) AS counts, row_number() OVER (ORDER BY ${worstFirst}) AS place
         FROM finding INDEXED BY finding_status
         CROSS JOIN check_name ON check_name.key = ${CHECK_OF_FINDING}
         WHERE ${where.join(' AND ')}
         GROUP BY 1 ORDER BY place LIMIT ?
       ) AS grouped ${join} ORDER BY grouped.place`,
    );
    const values = conditions.flatMap((condition) => condition.values);
    return (statement.all(...codes, ...values, filter.limit) as unknown as Row[]).map(toGroup);
  };
}

function toGroup({ check, nodeId, nodeName, subject, name, counts }: Row): FindingGroup {
  const byCode = JSON.parse(counts) as readonly number[];
  const statusCounts = CODES.map((code, index) => {
    const { verdict, severity } = fromStatusCode(code);
    const counted = { verdict, severity, count: byCode[index] ?? 0 };
    return isWaivedStatus(code) ? Object.assign(counted, { waived: true as const }) : counted;
  });
  return {
    statusCounts: statusCounts.filter(({ count }) => count > 0),
    ...(check === null ? {} : { check }),
    ...(nodeId === null ? {} : { nodeId, nodeName: nodeName ?? '' }),
    ...(subject === null ? {} : { subject: toSubject({ subject, name: name ?? '' }) }),
  };
}
