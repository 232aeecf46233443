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
