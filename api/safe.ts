/**
 * What may neither reach a terminal raw (controls move the cursor, colour, retitle, answer back) nor change how a page
 * reads: controls, bidirectional controls (they reorder what is read, CVE-2021-42574), what cannot be seen at all, line
 * separators, lone surrogates, and code points that are no characters. Joiners and variation selectors stay: scripts
 * and emoji need them.
 */
const UNSAFE =
  /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Bidi_Control}\p{Noncharacter_Code_Point}\ufff9-\ufffb[\p{Default_Ignorable_Code_Point}--[\p{Join_Control}\p{Variation_Selector}]]]/gv;

const FAMILIAR: ReadonlyMap<string, string> = new Map([
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
]);

/**
 * `text` from a node, a container or a file as it may be shown: what is unsafe becomes a visible escape (`\x1b`,
 * `\u202e`, `\u{e0041}`). The result is one line.
 */
export function safe(text: string): string {
  return text.replaceAll(UNSAFE, (character) => FAMILIAR.get(character) ?? escape(character));
}

/** As UNSAFE, with the joiners and selectors and every other format character: in JSON an escape changes nothing. */
const UNSAFE_IN_JSON = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Noncharacter_Code_Point}\p{Default_Ignorable_Code_Point}]/gv;
/**
 * What is not printable ASCII: most texts have little of it, and to look for it costs a twentieth. Within strings line
 * feeds are escapes already; those of an indented text are between tokens.
 */
const NOT_ASCII = /[^\n -~]+/gu;

/** Whether there is any of it, which costs a third of looking for each. JSON.stringify escapes controls below it. */
const HAS_UNSAFE = /[\x7f-\uffff]/;

/**
 * A JSON text of `value` that is safe to show and to ship: JSON.stringify leaves C1 controls, bidirectional controls and
 * invisible characters as they are, here they are `\u` escapes, which read back as the same value. `indent` as for
 * JSON.stringify.
 */
export function safeJson(value: unknown, indent?: number): string {
  const text = JSON.stringify(value, undefined, indent) ?? 'null';
  return HAS_UNSAFE.test(text) ? escapeJson(text) : text;
}

/** A JSON text with escapes for what {@link safeJson} escapes. */
export function escapeJson(text: string): string {
  return text.replaceAll(NOT_ASCII, (part) => part.replaceAll(UNSAFE_IN_JSON, jsonEscape));
}

function escape(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code <= 0xff) return `\\x${code.toString(16).padStart(2, '0')}`;
  return code <= 0xffff ? `\\u${code.toString(16).padStart(4, '0')}` : `\\u{${code.toString(16)}}`;
}

/** One escape a UTF-16 unit, as RFC 8259 asks. */
function jsonEscape(character: string): string {
  return Array.from(
    { length: character.length },
    (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`,
  ).join('');
}
