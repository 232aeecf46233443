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

/**
 * What the evidence of a mode adds where an access control list could grant other accounts more than the mode shows;
 * otherwise empty. Node.js cannot read the list, but the group bits of the mode are its mask, acl(5): what they do not
 * grant, or the bits of others grant as well, needs no list to be known.
 */
export function unreadAclText(mode: number): string {
  return ((mode >> 3) & ~mode & 0o7) === 0 ? '' : ', access control list not read';
}
