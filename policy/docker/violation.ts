/** Something in a request that the policy does not allow. Texts are for people and may quote the request: escape them. */
export interface Violation {
  /** Where in the request: `HostConfig.Privileged`, `HostConfig.Binds[0]`, `query fromImage`; empty: the request. */
  readonly field: string;
  /** What was found there. */
  readonly actual: string;
  /** What to do about it. */
  readonly action: string;
}

const MAX_QUOTED = 200;

/** A value of a request for a sentence: in quotes, shortened, only printable ASCII. */
export function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? 'undefined';
  const clipped = text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED)}…` : text;
  return escapeText(clipped);
}

/** Text with each character that is not printable ASCII, except `…`, as JSON would escape it. */
export function escapeText(text: string): string {
  return text.replaceAll(/[^\u0020-\u007E\u2026]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** A field that does not have the type of the API. Whatever dockerd makes of it is not known. */
export function wrongType(field: string, expected: string): Violation {
  return { field, actual: `not ${expected}`, action: 'Send a request as the Docker Engine API documents it.' };
}
