/** A file, directory or symbolic link of a root file system. */
export type Entry = {
  /** Absolute path without a trailing slash. */
  readonly path: string;
  readonly mode: number;
  /** Owner and group; default: 0. */
  readonly owner?: number;
} & (
  | { readonly type: 'file'; readonly content: Buffer }
  | { readonly type: 'directory' }
  | { readonly type: 'link'; readonly target: string }
);

const BLOCK = 512;
const TYPE_FLAGS = { file: '0', link: '2', directory: '5' } as const;
/** Longest name and prefix of a ustar header, in bytes. */
const MAX_NAME = 100;
const MAX_PREFIX = 155;

/**
 * A tar archive (POSIX.1-1988 ustar) of these entries, sorted by path, with the directories that they need. Equal
 * entries give equal bytes: `mtimeSeconds` is the time of every entry. Throws if a path is too long for ustar.
 */
export function writeTar(entries: readonly Entry[], mtimeSeconds: number): Buffer {
  const parts = withParents(entries).flatMap((entry) => {
    const content = entry.type === 'file' ? entry.content : Buffer.alloc(0);
    return [header(entry, content.length, mtimeSeconds), content, padding(content.length)];
  });
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}

/** All entries and their missing parent directories, sorted: a directory precedes what it holds. */
export function withParents(entries: readonly Entry[]): readonly Entry[] {
  const byPath = new Map(entries.map((entry) => [entry.path, entry]));
  for (const { path } of entries) {
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      const parent = path.slice(0, end);
      if (!byPath.has(parent)) byPath.set(parent, { path: parent, type: 'directory', mode: 0o755 });
    }
  }
  return [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function header(entry: Entry, size: number, mtimeSeconds: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  const { name, prefix } = splitPath(archivePath(entry));
  const octal = (value: number, length: number): string => `${value.toString(8).padStart(length - 1, '0')}\0`;
  const owner = octal(entry.owner ?? 0, 8);
  block.write(name, 0);
  block.write(octal(entry.mode, 8) + owner + owner + octal(size, 12) + octal(mtimeSeconds, 12), 100);
  // The checksum is computed with its own field as spaces.
  block.write(' '.repeat(8) + TYPE_FLAGS[entry.type], 148);
  if (entry.type === 'link') block.write(checkedLength(entry.target, MAX_NAME), 157);
  block.write('ustar\x0000', 257);
  block.write(prefix, 345);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, 7)} `, 148);
  return block;
}

function archivePath({ path, type }: Entry): string {
  if (path === '/') return './';
  return path.slice(1) + (type === 'directory' ? '/' : '');
}

function splitPath(path: string): { readonly name: string; readonly prefix: string } {
  if (Buffer.byteLength(path) <= MAX_NAME) return { name: path, prefix: '' };
  const cut = path.indexOf('/', path.length - MAX_NAME - 1);
  return { name: checkedLength(path.slice(cut + 1), MAX_NAME), prefix: checkedLength(path.slice(0, cut), MAX_PREFIX) };
}

function checkedLength(text: string, limit: number): string {
  if (Buffer.byteLength(text) > limit || text === '') throw new Error(`path too long for a tar header: ${text}`);
  return text;
}

function padding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}
