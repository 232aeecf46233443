/** Columns of a table; what has more is shown as JSON. */
const MAX_COLUMNS = 24;

type Fields = Readonly<Record<string, unknown>>;

/** Columns and rows of a list of objects. */
export interface ValueTable {
  readonly columns: readonly string[];
  /** Values by row and column; undefined where an item has no such field. */
  readonly rows: readonly (readonly unknown[])[];
}

/** The table of a list of objects; undefined where the value is something else, or is too wide to be read. */
export function valueTable(value: unknown): ValueTable | undefined {
  if (!Array.isArray(value) || value.length === 0 || !value.every(isObject)) return undefined;
  const columns = [...new Set(value.flatMap((item) => Object.keys(item)))];
  if (columns.length === 0 || columns.length > MAX_COLUMNS) return undefined;
  return {
    columns,
    rows: value.map((item) => columns.map((name) => (Object.hasOwn(item, name) ? item[name] : undefined))),
  };
}

/** Whether a value is an object with fields. */
export function isObject(item: unknown): item is Fields {
  return typeof item === 'object' && item !== null && !Array.isArray(item);
}
