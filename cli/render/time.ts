/** Time of day on the clock of this machine: `14:03:09`. */
export function clockTime(atMs: number): string {
  const date = new Date(atMs);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, '0')).join(':');
}

/** Date and time of day on the clock of this machine: `2026-11-25 14:03:09`. */
export function dateTime(atMs: number): string {
  const date = new Date(atMs);
  const [month, day] = [date.getMonth() + 1, date.getDate()].map((part) => String(part).padStart(2, '0'));
  return `${String(date.getFullYear())}-${month ?? ''}-${day ?? ''} ${clockTime(atMs)}`;
}

/** Units of {@link span}, largest first, in milliseconds. */
const UNITS = Object.freeze([
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
] as const);

/** A length of time in its largest unit, rounded down: `3 min`, `2 d`; `0 s` for less than a second. */
export function span(durationMs: number): string {
  const positive = Math.max(0, durationMs);
  const [unit, size] = UNITS.find(([, size]) => positive >= size) ?? ['s', 1000];
  return `${String(Math.floor(positive / size))} ${unit}`;
}

/** Seconds with one decimal, as a scan tells its duration: `2.1 s`. */
export function seconds(durationMs: number): string {
  return `${(durationMs / 1000).toFixed(1)} s`;
}
