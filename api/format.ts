/** Units of {@link span}, largest first, in milliseconds. */
const SPANS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
] as const;

/** A length of time in its largest unit, rounded down: `3 min`, `2 d`; `0 s` for less than a second. */
export function span(durationMs: number): string {
  const positive = Math.max(0, durationMs);
  const [unit, size] = SPANS.find(([, size]) => positive >= size) ?? ['s', 1000];
  return `${String(Math.floor(positive / size))} ${unit}`;
}

/** Seconds with one decimal: `2.1 s`. */
export function seconds(durationMs: number): string {
  return `${(durationMs / 1000).toFixed(1)} s`;
}

/** How long ago: `just now`, `3 min ago`; a clock that is ahead of ours says `just now`. */
export function ago(atMs: number, nowMs: number): string {
  return nowMs - atMs < 5000 ? 'just now' : `${span(nowMs - atMs)} ago`;
}

/** Date and time of day on the clock of this machine: `2026-11-25 14:03:09`. */
export function dateTime(atMs: number): string {
  const date = new Date(atMs);
  return `${String(date.getFullYear())}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clockTime(atMs)}`;
}

/** Time of day on the clock of this machine: `14:03:09`. */
export function clockTime(atMs: number): string {
  const date = new Date(atMs);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':');
}

/** A count with thin groups of three: `10,213`. */
export function count(value: number): string {
  return String(value).replaceAll(/\B(?=(?:\d{3})+$)/g, ',');
}

/** A count with its word: `1 node`, `3 nodes`. `plural` where an s is not enough. */
export function counted(value: number, one: string, plural = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : plural}`;
}

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** Bytes in binary units, at most one decimal: `512 MiB`, `7.8 GiB`. */
export function bytes(value: number): string {
  let scaled = Math.max(0, value);
  let unit = 0;
  while (scaled >= 1024 && unit < BYTE_UNITS.length - 1) {
    scaled /= 1024;
    unit += 1;
  }
  const digits = scaled < 10 && unit > 0 ? scaled.toFixed(1).replace(/\.0$/, '') : String(Math.round(scaled));
  return `${digits} ${BYTE_UNITS[unit] ?? ''}`;
}

/** The first 12 characters of an id, as container tools show it; `sha256:` is left out. */
export function shortId(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, 12);
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
