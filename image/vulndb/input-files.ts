/**
 * The files that a vulnerability database is built from: found in directories, distinguished by name and content, and
 * read as streams with bounds. All of them are untrusted.
 */
import { createReadStream } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createGunzip } from 'node:zlib';
import { errorCode } from '../../service/files.ts';
import { decompressZstd } from '../inventory/archive/zstd-frames.ts';

/** What a file holds, by its name; JSON and CSV are distinguished when they are read. */
export type InputKind = 'zip' | 'lines' | 'json' | 'csv';

/** One file to read. */
export interface InputFile {
  readonly path: string;
  readonly kind: InputKind;
  readonly compression: 'none' | 'gzip' | 'zstd';
}

/** What was found. `ignored` are files of other kinds, named so that a wrong directory is noticed. */
export interface InputFiles {
  readonly files: readonly InputFile[];
  readonly ignored: readonly string[];
}

/** A file or directory that cannot be read as a whole: truncated, too large, damaged. */
export class InputError extends Error {
  readonly code: 'unreadable' | 'damaged' | 'too-large';

  constructor(code: InputError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

const MAX_DEPTH = 16;
const MAX_FILES = 2_000_000;
/** Most bytes of one file after decompression. The largest export of OSV has about 5 GB. */
const MAX_FILE_BYTES = 32 * 1024 ** 3;
/** Most bytes of one record. The largest of OSV have about 3 MB. */
export const MAX_RECORD_BYTES = 16 * 1024 ** 2;

const KINDS = new Map<string, InputKind>([
  ['zip', 'zip'],
  ['ndjson', 'lines'],
  ['jsonl', 'lines'],
  ['json', 'json'],
  ['csv', 'csv'],
]);

/** Finds the files below each path, sorted. Throws `InputError` for a path that cannot be read. */
export async function findInputFiles(paths: readonly string[]): Promise<InputFiles> {
  const files: InputFile[] = [];
  const ignored: string[] = [];
  const add = (path: string): void => {
    const file = classify(path);
    if (file === undefined) ignored.push(path);
    else files.push(file);
    if (files.length + ignored.length > MAX_FILES)
      throw new InputError('too-large', `more than ${String(MAX_FILES)} files`);
  };
  const visit = async (directory: string, depth: number): Promise<void> => {
    if (depth > MAX_DEPTH)
      throw new InputError('too-large', `${directory}: more than ${String(MAX_DEPTH)} levels of directories`);
    const entries = await readdir(directory, { withFileTypes: true });
    for (const entry of entries.toSorted((one, other) => (one.name < other.name ? -1 : 1))) {
      const path = join(directory, entry.name);
      if (entry.isDirectory()) await visit(path, depth + 1);
      else if (entry.isFile() || (entry.isSymbolicLink() && (await isFile(path)))) add(path);
      else ignored.push(path);
    }
  };
  for (const path of paths) {
    try {
      if ((await stat(path)).isDirectory()) await visit(path, 0);
      else if (classify(path) === undefined)
        throw new InputError('unreadable', `${path}: not a kind of file that is read (zip, ndjson, json, csv)`);
      else add(path);
    } catch (error) {
      if (error instanceof InputError) throw error;
      throw new InputError('unreadable', `${path}: ${errorCode(error)}`, { cause: error });
    }
  }
  return { files, ignored };
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

function classify(path: string): InputFile | undefined {
  const match = /\.([a-z]+)(?:\.(gz|zst))?$/.exec(basename(path).toLowerCase());
  const kind = KINDS.get(match?.[1] ?? '');
  if (kind === undefined || (kind === 'zip' && match?.[2] !== undefined)) return undefined;
  return { path, kind, compression: match?.[2] === 'gz' ? 'gzip' : match?.[2] === 'zst' ? 'zstd' : 'none' };
}

/** The decompressed bytes of a file. Throws `InputError` where the file is damaged, truncated or too large. */
export async function* readInput({ path, compression }: InputFile): AsyncGenerator<Buffer> {
  const raw = createReadStream(path, { highWaterMark: 256 * 1024 });
  const gunzip = compression === 'gzip' ? raw.pipe(createGunzip()) : undefined;
  if (gunzip !== undefined) raw.on('error', (error) => gunzip.destroy(error));
  const stream = compression === 'zstd' ? decompressZstd(raw) : (gunzip ?? raw);
  let total = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      total += chunk.length;
      if (total > MAX_FILE_BYTES) throw new InputError('too-large', `${path}: too large`);
      yield chunk;
    }
  } catch (error) {
    if (error instanceof InputError) throw error;
    const isDamaged = String((error as NodeJS.ErrnoException).code).startsWith('Z');
    throw new InputError(
      isDamaged ? 'damaged' : 'unreadable',
      `${path}: ${isDamaged ? 'truncated or damaged' : errorCode(error)}`,
      { cause: error },
    );
  } finally {
    raw.destroy();
  }
}

/** One line; undefined for one that is longer than a record may be. */
export type Line = Buffer | undefined;

/** The lines of a file that are not empty. A line that is too long is skipped without being kept in memory. */
export async function* readLines(file: InputFile, maxBytes = MAX_RECORD_BYTES): AsyncGenerator<Line> {
  let parts: Buffer[] = [];
  let length = 0;
  const take = (): Line => {
    const line = length > maxBytes ? undefined : Buffer.concat(parts, length);
    parts = [];
    length = 0;
    return line;
  };
  for await (const chunk of readInput(file)) {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      length += end - start;
      if (length <= maxBytes) parts.push(chunk.subarray(start, end));
      start = end + 1;
      if (length > 0) yield take();
    }
    length += chunk.length - start;
    if (length <= maxBytes) parts.push(chunk.subarray(start));
    else parts = [];
  }
  if (length > 0) yield take();
}

/** A whole small file. Throws `InputError` where it is larger than `maxBytes`. */
export async function readWhole(file: InputFile, maxBytes: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of readInput(file)) {
    length += chunk.length;
    if (length > maxBytes) throw new InputError('too-large', `${file.path}: larger than ${String(maxBytes)} bytes`);
    parts.push(chunk);
  }
  return Buffer.concat(parts, length);
}

/** The last `maxBytes` bytes of a file. */
export async function readTail(path: string, maxBytes: number): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const length = Math.min(size, maxBytes);
    const buffer = Buffer.alloc(length);
    const { bytesRead } = await file.read(buffer, 0, length, size - length);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
