import { constants } from 'node:fs';
import { open, opendir } from 'node:fs/promises';
import { join } from 'node:path';

/** One file of the console. */
export interface ConsoleFile {
  readonly type: string;
  readonly bytes: Buffer;
}

/** The console as it is served: nothing of it is read again. */
export interface ConsoleFiles {
  /** index.html */
  readonly page: ConsoleFile;
  /** The files in `assets/`, by name. */
  readonly assets: ReadonlyMap<string, ConsoleFile>;
}

/** Far more than the console is. A directory with more is not one that our build wrote. */
export const MAX_FILES = 64;
export const MAX_TOTAL_BYTES = 16 * 1024 * 1024;

/** Files with another ending are not served. */
const TYPES: Readonly<Record<string, string>> = Object.freeze({
  css: 'text/css; charset=utf-8',
  html: 'text/html; charset=utf-8',
  ico: 'image/x-icon',
  js: 'text/javascript; charset=utf-8',
  json: 'application/json; charset=utf-8',
  png: 'image/png',
  svg: 'image/svg+xml; charset=utf-8',
  txt: 'text/plain; charset=utf-8',
  webp: 'image/webp',
  woff2: 'font/woff2',
});

/**
 * Reads `index.html` and the regular files directly in `assets/`, with endings that are known. Symbolic links are not
 * followed. Rejects with the error of the file system, and with an Error for a directory beyond the limits.
 */
export async function loadConsoleFiles(directory: string): Promise<ConsoleFiles> {
  let left = MAX_TOTAL_BYTES;
  const read = async (path: string, type: string): Promise<ConsoleFile | undefined> => {
    const bytes = await readRegular(path, left);
    if (bytes === undefined) return undefined;
    left -= bytes.length;
    return { type, bytes };
  };
  const page = await read(join(directory, 'index.html'), typeOf('index.html') ?? '');
  if (page === undefined) throw new Error('index.html is no regular file');
  const assets = new Map<string, ConsoleFile>();
  for (const name of await namesIn(join(directory, 'assets'))) {
    const type = typeOf(name);
    const file = type === undefined ? undefined : await read(join(directory, 'assets', name), type);
    if (file !== undefined) assets.set(name, file);
  }
  return { page, assets };
}

function typeOf(name: string): string | undefined {
  const ending = name.slice(name.lastIndexOf('.') + 1);
  return Object.hasOwn(TYPES, ending) ? TYPES[ending] : undefined;
}

async function namesIn(path: string): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const entry of await opendir(path)) {
    if (!entry.isFile()) continue;
    if (names.length === MAX_FILES) throw new Error(`${path} has more than ${String(MAX_FILES)} files`);
    names.push(entry.name);
  }
  return names.sort();
}

/** The content; undefined for what is no regular file. */
async function readRegular(path: string, maxBytes: number): Promise<Buffer | undefined> {
  // Non-blocking, so that a FIFO in its place cannot hold us up.
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stat = await file.stat();
    if (!stat.isFile()) return undefined;
    if (stat.size > maxBytes) throw new Error(`the console is larger than ${String(MAX_TOTAL_BYTES)} bytes`);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(stat.size), 0, stat.size, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
