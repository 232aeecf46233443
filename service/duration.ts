/** Milliseconds in each unit that a duration can be written in, longest first. */
const UNITS = Object.freeze([
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
] as const);

/** `30s`, `15m`, `1h`, `90d`, `250ms` in milliseconds; undefined where the text is no such duration. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,12})(ms|s|m|h|d)$/.exec(text);
  const unit = UNITS.find(([name]) => name === match?.[2]);
  if (match === null || unit === undefined) return undefined;
  const milliseconds = Number(match[1]) * unit[1];
  return Number.isSafeInteger(milliseconds) ? milliseconds : undefined;
}

/** Milliseconds in the longest unit that says it exactly: `900000` → `15m`. */
export function formatDuration(milliseconds: number): string {
  for (const [name, size] of UNITS)
    if (milliseconds >= size && milliseconds % size === 0) return `${String(milliseconds / size)}${name}`;
  return `${String(milliseconds)}ms`;
}
