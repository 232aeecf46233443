/** One line of the map: `count` ids from `inside` on are those from `outside` on in the namespace of the reader. */
export interface IdRange {
  readonly inside: number;
  readonly outside: number;
  readonly count: number;
}

/** The kernel accepts at most 340 lines, user_namespaces(7). */
const MAX_LINES = 512;

/** `/proc/PID/uid_map`, user_namespaces(7): three numbers a line. undefined where it is no such file. */
export function parseUidMap(text: string): readonly IdRange[] | undefined {
  const ranges: IdRange[] = [];
  for (const line of text.split('\n', MAX_LINES + 1)) {
    if (line === '') continue;
    const match = /^\s{0,20}(\d{1,10})\s{1,20}(\d{1,10})\s{1,20}(\d{1,10})$/.exec(line);
    if (match === null || ranges.length === MAX_LINES) return undefined;
    ranges.push({ inside: Number(match[1]), outside: Number(match[2]), count: Number(match[3]) });
  }
  return ranges;
}
