/** Bytes in each unit that a size can be written in, largest first. */
const UNITS = Object.freeze([
  ['TiB', 1024 ** 4],
  ['GiB', 1024 ** 3],
  ['MiB', 1024 ** 2],
  ['KiB', 1024],
  ['B', 1],
] as const);

/** `64MiB`, `512KiB`, `1GiB`, `4096B` or plain `4096` in bytes; undefined where the text is no such size. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d{1,15})(B|KiB|MiB|GiB|TiB)?$/.exec(text);
  const unit = UNITS.find(([name]) => name === (match?.[2] ?? 'B'));
  if (match === null || unit === undefined) return undefined;
  const bytes = Number(match[1]) * unit[1];
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Bytes in the largest unit that says it exactly: `67108864` → `64MiB`. */
export function formatBytes(bytes: number): string {
  for (const [name, size] of UNITS) if (bytes >= size && bytes % size === 0) return `${String(bytes / size)}${name}`;
  return `${String(bytes)}B`;
}
