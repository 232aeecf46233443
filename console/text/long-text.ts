import { safe } from '../../api/safe.ts';

/** {@link safe} for text of several lines: line feeds stay, tabs become spaces. */
export function safeLines(text: string): string {
  return text
    .split(/\r?\n/)
    .map((line) => safe(line.replaceAll('\t', '  ')))
    .join('\n');
}

/** The start of `text`, at most `maxLength` UTF-16 units, never half a character; undefined if nothing was cut. */
export function clip(text: string, maxLength: number): string | undefined {
  if (text.length <= maxLength) return undefined;
  const cut = text.slice(0, maxLength);
  return /[\uD800-\uDBFF]$/.test(cut) ? cut.slice(0, -1) : cut;
}
