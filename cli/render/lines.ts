import { displayWidth } from './width.ts';

/** Text with and without colour: `plain` counts the cells, `painted` is what is printed. */
export interface Painted {
  readonly plain: string;
  readonly painted: string;
}

/** How items are joined. */
export interface LineLayout {
  readonly width: number;
  readonly separator: string;
  /** Before the first line, and as many spaces before the others. */
  readonly lead: string;
}

/** `items` in lines of at most `width` cells, broken only between two of them. */
export function joinItems(items: readonly Painted[], { width, separator, lead }: LineLayout): readonly Painted[] {
  const lines: Painted[] = [];
  for (const item of items) {
    const last = lines.at(-1);
    const longer = last === undefined ? undefined : joined(last, separator, item);
    if (longer !== undefined && displayWidth(longer.plain) <= width) lines[lines.length - 1] = longer;
    else lines.push(joined(unpainted(last === undefined ? lead : ' '.repeat(lead.length)), '', item));
  }
  return lines;
}

/** Text without colour. */
export function unpainted(text: string): Painted {
  return { plain: text, painted: text };
}

function joined(one: Painted, separator: string, other: Painted): Painted {
  return { plain: one.plain + separator + other.plain, painted: one.painted + separator + other.painted };
}
