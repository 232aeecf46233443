/**
 * What the lists name, each once and at most `limit`: the first of every list, then the second of every list, and so on. Where only so many
 * have room, a list that names very many takes none of it from the others.
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
