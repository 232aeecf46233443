/**
 * JSON that a program in Go reads as well: manifests of images, requests of the Docker API. Go merges or takes the last
 * of several keys and ignores the case of letters, JavaScript does neither. A document with `layers` and `Layers` would
 * be one image for us and another one for the runtime, so it is refused.
 */

/** Deepest nesting that is accepted; manifests, configurations and API requests have about 6. */
const MAX_DEPTH = 32;

/** Outcome of {@link parseStrictJson}; `problem` quotes nothing of the text. */
export type StrictJson =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly problem: string };

/**
 * Parses a document whose objects hold no two keys that are equal without regard to case. Refuses invalid UTF-8,
 * nesting beyond 32 levels and what is no JSON. Never throws; linear in the length.
 */
export function parseStrictJson(bytes: Uint8Array): StrictJson {
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    value = JSON.parse(text) as unknown;
  } catch {
    return { ok: false, problem: 'it is not valid JSON' };
  }
  const problem = findAmbiguity(text);
  return problem === undefined ? { ok: true, value } : { ok: false, problem };
}

/** Walks a valid document: every string that a colon follows is a key of the innermost object. */
function findAmbiguity(text: string): string | undefined {
  const open: (Set<string> | undefined)[] = [];
  const tokens = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]:]/gs;
  let last: string | undefined;
  for (let match = tokens.exec(text); match !== null; match = tokens.exec(text)) {
    const [token] = match;
    if (token === '{' || token === '[') {
      if (open.length === MAX_DEPTH) return `it is nested deeper than ${String(MAX_DEPTH)} levels`;
      open.push(token === '{' ? new Set() : undefined);
    } else if (token === '}' || token === ']') open.pop();
    else if (token === ':') {
      const key = foldCase(JSON.parse(last ?? '""') as string);
      const keys = open.at(-1);
      if (keys?.has(key) === true) return 'an object holds the same key twice (case is ignored)';
      keys?.add(key);
    }
    last = token;
  }
  return undefined;
}

/** The simple case folding of Go's encoding/json: of letters beyond ASCII, only U+017F and U+212A fold into it. */
export function foldCase(key: string): string {
  return key.replaceAll('\u017F', 's').replaceAll('\u212A', 'k').toLowerCase();
}
