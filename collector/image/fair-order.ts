/**
 * Merges lists round-robin, without duplicates and up to `limit` entries: the first entry of every list, then the
 * second of every list, and so on. A very long list therefore takes no room from the others.
 */
export function inTurn<T>(lists: Iterable<readonly T[]>, limit = Infinity): readonly T[] {
  let rest = [...lists];
  const all = new Set<T>();
  for (let place = 0; rest.length > 0; place += 1) {
    rest = rest.filter((list) => place < list.length);
    for (const list of rest) {
      if (all.size >= limit) return [...all];
      all.add(list[place] as T);
    }
  }
  return [...all];
}
