/** Longest quotation in one piece of evidence: enough for any single setting, and a bound for hostile lists. */
const MAX_QUOTE = 400;

/** Milliseconds since 1970 as `2026-11-25T11:00:00Z`; the number itself where it is no date. */
export function isoTime(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? `${String(ms)} ms` : date.toISOString().replace(/\.\d{3}Z$/, 'Z');
}

/** `text`, cut after 400 characters with a sign that it was cut. */
export function quote(text: string): string {
  return text.length <= MAX_QUOTE ? text : `${text.slice(0, MAX_QUOTE)}…`;
}

/** The values in one line, bounded; `none` where there are none. */
export function quoteList(values: readonly string[]): string {
  return values.every((value) => value === '') ? 'none' : quote(values.join(', '));
}
