/** Bytes in each unit that a size can be written in. */
const UNIT_BYTES = new Map([
  ['B', 1],
  ['KiB', 1024],
  ['MiB', 1024 ** 2],
  ['GiB', 1024 ** 3],
  ['TiB', 1024 ** 4],
]);

/** `64MiB`, `512KiB`, `1GiB`, `4096B` or plain `4096` in bytes; undefined where the text is no such size. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d{1,15})(B|KiB|MiB|GiB|TiB)?$/.exec(text);
  const bytes = Number(match?.[1]) * (UNIT_BYTES.get(match?.[2] ?? 'B') ?? Number.NaN);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Bytes for people: `812 B`, `1.2 KiB`, `64 MiB`, `20 GiB`. Rounded down. */
export function formatBytes(bytes: number): string {
  const [unit, size] = [...UNIT_BYTES].toReversed().find(([, least]) => bytes >= least) ?? ['B', 1];
  const value = Math.max(0, bytes) / size;
  const shown = value < 10 && size > 1 ? Math.floor(value * 10) / 10 : Math.floor(value);
  return `${String(shown)} ${unit}`;
}
