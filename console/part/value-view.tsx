import type { JSX } from 'preact';
import { safeJson } from '../../api/safe.ts';
import { DataTable } from './data-table.tsx';
import { isObject, valueTable } from './value-table.ts';
import { UntrustedLines, UntrustedText } from './untrusted-text.tsx';

/** Tables within tables; what is deeper is shown as JSON. */
const MAX_DEPTH = 4;

/**
 * A JSON value from outside, as people read it: a list of objects is a table, an object of objects too, any other object is a table of its fields, lists
 * of plain values are shown as lines, and each value in them in the same way.
 */
export function ValueView({
  value,
  label,
  depth = 0,
}: {
  readonly value: unknown;
  /** What the value is: the caption of its table. */
  readonly label: string;
  readonly depth?: number;
}): JSX.Element {
  const nested = (item: unknown, name: string): string | JSX.Element | null => {
    if (item === undefined) return null;
    return isPlain(item) ? plainText(item) : <ValueView value={item} label={`${label}, ${name}`} depth={depth + 1} />;
  };
  if (isPlain(value))
    return depth === 0 ? <UntrustedLines text={plainText(value)} /> : <UntrustedText text={plainText(value)} />;
  if (Array.isArray(value) && value.length === 0) return <span class="muted">empty list</span>;
  const isNested = depth > 0;
  const table = depth < MAX_DEPTH ? valueTable(value) : undefined;
  if (table !== undefined)
    return (
      <DataTable
        isNested={isNested}
        label={label}
        columns={table.columns}
        rows={table.rows.map((row, index) => ({
          key: String(index),
          cells: row.map((item, column) => nested(item, table.columns[column] ?? '')),
        }))}
      />
    );
  const fields = depth < MAX_DEPTH && isObject(value) ? valueTable(Object.values(value)) : undefined;
  if (fields !== undefined && isObject(value))
    return (
      <DataTable
        isNested={isNested}
        label={label}
        columns={['Name', ...fields.columns]}
        rows={Object.keys(value).map((name, index) => ({
          key: name,
          cells: [
            name,
            ...(fields.rows[index] ?? []).map((item, column) => nested(item, fields.columns[column] ?? '')),
          ],
        }))}
      />
    );
  if (depth < MAX_DEPTH && isObject(value) && Object.keys(value).length > 0)
    return (
      <DataTable
        isNested={isNested}
        label={label}
        columns={['Field', 'Value']}
        rows={Object.entries(value).map(([name, item]) => ({ key: name, cells: [name, nested(item, name)] }))}
      />
    );
  if (Array.isArray(value) && value.length > 0 && value.every(isPlain))
    return <UntrustedLines text={value.map(plainText).join('\n')} />;
  return <UntrustedLines text={safeJson(value, 2)} />;
}

function isPlain(value: unknown): boolean {
  return typeof value !== 'object' || value === null;
}

/** Text as it is, anything else as JSON. */
function plainText(value: unknown): string {
  return typeof value === 'string' ? value : safeJson(value);
}
