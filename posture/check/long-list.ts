import type { Evidence } from '../verdict.ts';

/** An item of a list. */
export interface ListedItem {
  readonly evidence: Evidence;
  /** What tells it from others, without `; `: `ada: SHA256:47DEQpj8HBSa+/TI`. */
  readonly name: string;
}

/** Items that have a piece of evidence each, where there are more than fit. */
const MAX_WHOLE = 14;
/** Pieces with the names of others, and names in each. */
const MAX_PACKED = 9;
const MAX_NAMES = 60;
/** Pieces of both kinds: a finding has at most 32, some of them about what is wrong. */
const MAX_PIECES = MAX_WHOLE + MAX_PACKED;

/**
 * Evidence of a long list: the first items as they are, the others by their names, many in one piece. The collector
 * reports an item that is new, so none may be missing because others come before it. At most 554 items; the last piece
 * says how many more there are.
 */
export function longList(
  items: readonly ListedItem[],
  rest: Pick<Evidence, 'source' | 'expected'>,
): readonly Evidence[] {
  if (items.length <= MAX_PIECES) return items.map(({ evidence }) => evidence);
  const whole = items.slice(0, MAX_WHOLE).map(({ evidence }) => evidence);
  const others = items.slice(MAX_WHOLE);
  const packed: Evidence[] = [];
  for (let from = 0; from < others.length && packed.length < MAX_PACKED; from += MAX_NAMES) {
    const names = others.slice(from, from + MAX_NAMES).map(({ name }) => name);
    const more = packed.length === MAX_PACKED - 1 ? others.length - from - names.length : 0;
    packed.push({ ...rest, seen: [...names, ...(more > 0 ? [`${String(more)} more`] : [])].join('; ') });
  }
  return [...whole, ...packed];
}
