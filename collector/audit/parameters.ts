import { redactJson } from '../../posture/redaction/redact.ts';

/** Longest text, list and object that a record holds of a parameter. */
const MAX_TEXT = 4_096;
const MAX_ITEMS = 20;

/** The parameters of a call as they are recorded: without secrets and without what has no value, long values shortened. */
export function auditParameters(...parts: readonly unknown[]): Readonly<Record<string, unknown>> {
  const fields = parts.flatMap((part) => (typeof part === 'object' && part !== null ? Object.entries(part) : []));
  const given = fields.filter(([, value]) => value !== null && value !== undefined);
  const shortened = given.slice(0, MAX_ITEMS).map(([name, value]) => [name.slice(0, 64), shorten(value)]);
  return redactJson(Object.fromEntries(shortened)) as Readonly<Record<string, unknown>>;
}

function shorten(value: unknown): unknown {
  if (typeof value === 'string') return value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value;
  if (Array.isArray(value)) {
    const items = value
      .slice(0, MAX_ITEMS)
      .map((item: unknown) =>
        typeof item === 'string' ? item.slice(0, 256) : typeof item === 'number' ? item : typeof item,
      );
    return value.length > MAX_ITEMS ? [...items, `… ${String(value.length - MAX_ITEMS)} more`] : items;
  }
  return typeof value === 'object' && value !== null ? {} : value;
}
