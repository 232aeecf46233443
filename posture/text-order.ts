/** Result of a comparison: -1 where the first is lower, 0 where both are equal in order, 1 where the first is higher. */
export type Order = -1 | 0 | 1;

/**
 * Compares two texts by their UTF-16 code units: the same order on every machine, whatever its locale. For ASCII it is
 * the order of the bytes.
 */
export function compareText(a: string, b: string): Order {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** Compares entries of an object or map by their keys: `Object.entries(labels).toSorted(compareKeys)`. */
export function compareKeys(
  [a]: readonly [key: string, value: unknown],
  [b]: readonly [key: string, value: unknown],
): Order {
  return compareText(a, b);
}
