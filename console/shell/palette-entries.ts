import { searchWords } from '../../api/finding-list.ts';

/** Something that the palette goes to. `name` and `detail` may come from outside. */
export interface PaletteEntry {
  readonly kind: string;
  readonly name: string;
  readonly detail: string;
  readonly hash: string;
}

/** Entries that are listed. */
const SHOWN = 12;

/** Entries that have each word of `text` in kind, name or detail: those whose name begins with it first. */
export function matchingEntries(entries: readonly PaletteEntry[], text: string): readonly PaletteEntry[] {
  const words = searchWords(text.toLowerCase());
  const start = words.join(' ');
  return entries
    .filter(({ kind, name, detail }) => {
      const whole = `${kind} ${name} ${detail}`.toLowerCase();
      return words.every((word) => whole.includes(word));
    })
    .toSorted((one, other) => rank(one, start) - rank(other, start))
    .slice(0, SHOWN);
}

function rank({ name }: PaletteEntry, start: string): number {
  const lower = name.toLowerCase();
  return lower.startsWith(start) ? 0 : lower.includes(start) ? 1 : 2;
}
