import { safeJson } from '../../api/safe.ts';

/** An answer as a table: one row an item. */
export interface AnswerTable {
  readonly columns: readonly string[];
  /** Cells by row and column; null where an item has no such field. */
  readonly rows: readonly (readonly (string | null)[])[];
}

/** Columns and rows of a table; what is wider is better read as JSON. */
const MAX_COLUMNS = 24;

/** The table of a list of objects; undefined where the value is something else. Texts may come from outside. */
export function answerTable(value: unknown): AnswerTable | undefined {
  if (!Array.isArray(value) || value.length === 0 || !value.every(isObject)) return undefined;
  const names = new Set<string>();
  for (const item of value) for (const name of Object.keys(item)) names.add(name);
  if (names.size === 0 || names.size > MAX_COLUMNS) return undefined;
  const columns = [...names];
  const rows = value.map((item) => columns.map((name) => (Object.hasOwn(item, name) ? cellText(item[name]) : null)));
  return { columns, rows };
}

/** A value in one cell: text as it is, anything else as JSON. */
export function cellText(value: unknown): string {
  return typeof value === 'string' ? value : safeJson(value);
}

function isObject(item: unknown): item is Readonly<Record<string, unknown>> {
  return typeof item === 'object' && item !== null && !Array.isArray(item);
}
