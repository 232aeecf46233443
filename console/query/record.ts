import type { QueryAnswer } from '../../api/query.ts';

/** A query that was run on this page. */
export interface QueryRecord {
  readonly expression: string;
  /** Ids of the nodes that were asked; empty: all. */
  readonly nodes: readonly string[];
  readonly deadlineMs: number;
  readonly atMs: number;
  readonly tookMs: number;
  readonly answers: readonly QueryAnswer[];
}

/** Queries that are kept. */
const MAX_RECORDS = 20;

/** `records` with one more, newest first; the same question again replaces the older one. */
export function withRecord(records: readonly QueryRecord[], record: QueryRecord): readonly QueryRecord[] {
  const others = records.filter(({ expression, nodes }) => {
    return expression !== record.expression || nodes.join('\n') !== record.nodes.join('\n');
  });
  // Old answers may be large, and can be asked for again.
  const lean = others.map(withoutAnswers);
  return [record, ...lean].slice(0, MAX_RECORDS);
}

function withoutAnswers({ expression, nodes, deadlineMs, atMs, tookMs }: QueryRecord): QueryRecord {
  return { expression, nodes, deadlineMs, atMs, tookMs, answers: [] };
}
