import { safe } from '../../api/safe.ts';

/**
 * Rows as CSV (RFC 4180): lines end in CRLF; a cell with a comma, a quote or a line break is quoted. Text that a
 * spreadsheet would take for a formula (it starts with `=`, `+`, `-` or `@`) gets an apostrophe before it, and characters
 * that are not safe to show become visible escapes.
 */
export function toCsv(rows: readonly (readonly (string | number)[])[]): string {
  return rows.map((row) => `${row.map(cellOf).join(',')}\r\n`).join('');
}

function cellOf(value: string | number): string {
  if (typeof value === 'number') return String(value);
  const text = safe(value);
  // A full-width sign, and white space before a sign, start a formula in some programs too.
  const harmless = /^\s*[=+\-@＝＋－＠]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
