/** Milliseconds in each unit that a duration can be written in. */
const UNIT_MS = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

/** `30s`, `15m`, `1h`, `90d`, `250ms` in milliseconds; undefined where the text is no such duration. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,12})(ms|s|m|h|d)$/.exec(text);
  const milliseconds = Number(match?.[1]) * (UNIT_MS.get(match?.[2] ?? '') ?? Number.NaN);
  return Number.isSafeInteger(milliseconds) ? milliseconds : undefined;
}
