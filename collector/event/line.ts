import { safeJson } from '../../api/safe.ts';

/** An event as one line of JSON with its newline, without a raw control, bidirectional or invisible character. */
export function toLine(event: Readonly<Record<string, unknown>>): string {
  return `${safeJson(event)}\n`;
}
