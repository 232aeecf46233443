/**
 * What would change how a page reads if it were shown raw: controls, bidirectional controls (they reorder what is
 * read, CVE-2021-42574), what cannot be seen at all, line separators, lone surrogates, and code points that are no
 * characters. Joiners and variation selectors stay: scripts and emoji need them.
 */
const UNSAFE =
  /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Bidi_Control}\p{Noncharacter_Code_Point}[\p{Default_Ignorable_Code_Point}--[\p{Join_Control}\p{Variation_Selector}]]]/gv;

const FAMILIAR: ReadonlyMap<string, string> = new Map([
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
]);

/** `text` from a node, a container or a file, with a visible escape for each unsafe character. One line. */
export function safe(text: string): string {
  return text.replaceAll(UNSAFE, (character) => FAMILIAR.get(character) ?? escape(character));
}

/** The same for text of several lines: line feeds stay, tabs become spaces. */
export function safeLines(text: string): string {
  return text
    .split(/\r?\n/)
    .map((line) => safe(line.replaceAll('\t', '  ')))
    .join('\n');
}

/** JSON of `value` whose escapes read back as the same value; `indent` as for JSON.stringify. */
export function safeJson(value: unknown, indent?: number): string {
  // The line feeds of an indented text stand between tokens: they are ours.
  return (JSON.stringify(value, undefined, indent) ?? 'null').replaceAll(UNSAFE, (character) =>
    character === '\n' ? character : jsonEscape(character),
  );
}

/** The start of `text`, at most `maxLength` UTF-16 units, never half a character; undefined if nothing was cut. */
export function clip(text: string, maxLength: number): string | undefined {
  if (text.length <= maxLength) return undefined;
  const cut = text.slice(0, maxLength);
  return /[\uD800-\uDBFF]$/.test(cut) ? cut.slice(0, -1) : cut;
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
