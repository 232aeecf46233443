import { Unzip, UnzipInflate } from 'fflate';
import type { UnzipFile } from 'fflate';
import { InputError, MAX_RECORD_BYTES, readInput, readTail } from './input-files.ts';
import type { InputFile } from './input-files.ts';

/** A file of an archive; `content` is undefined where it is larger than a record may be. */
export interface ZipEntry {
  readonly name: string;
  readonly content: Buffer | undefined;
}

const MAX_ENTRIES = 2_000_000;
/** Most bytes of all files of an archive after decompression. */
const MAX_TOTAL_BYTES = 32 * 1024 ** 3;
const PIECE_BYTES = 16 * 1024;
/** End of central directory (APPNOTE.TXT 4.3.16): 22 bytes and a comment of at most 65,535. */
const END_RECORD_BYTES = 22 + 65_535;
const END_SIGNATURE = 0x0605_4b50;
/** The count of a Zip64 archive is elsewhere. */
const ZIP64_COUNT = 0xffff;

/**
 * The JSON files of a zip archive, in the order in which they are stored. Throws `InputError` where the archive is
 * damaged or cut off: an archive without its end, or with fewer files than its end counts, is not complete.
 */
export async function* readZip(file: InputFile): AsyncGenerator<ZipEntry> {
  const expected = await countEntries(file.path);
  const done: ZipEntry[] = [];
  let begun = 0;
  let ended = 0;
  let total = 0;
  let failure: Error | undefined;
  const count = (bytes: number): void => {
    total += bytes;
    if (total > MAX_TOTAL_BYTES) throw new InputError('too-large', `${file.path}: too large`);
  };
  const unzip = new Unzip((entry) => {
    begun += 1;
    if (begun > MAX_ENTRIES) throw new InputError('too-large', `${file.path}: more than ${String(MAX_ENTRIES)} files`);
    collect(entry, count, (error, content) => {
      if (error !== null) failure ??= error;
      ended += 1;
      if (content !== 'skipped') done.push({ name: entry.name, content });
    });
  });
  unzip.register(UnzipInflate);
  for await (const chunk of readInput(file)) {
    // Small pieces: one piece can expand to a thousand times its size at once.
    for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
      guard(file, () => unzip.push(chunk.subarray(at, at + PIECE_BYTES)));
      if (failure !== undefined) throw damaged(file, failure);
      yield* done.splice(0);
    }
  }
  guard(file, () => unzip.push(new Uint8Array(0), true));
  yield* done.splice(0);
  if (failure !== undefined || begun !== ended || (expected !== ZIP64_COUNT && begun % 0x1_0000 !== expected))
    throw damaged(file, failure);
}

/** Starts reading an entry. Directories and files of other kinds are skipped, but read so that the archive goes on. */
function collect(
  entry: UnzipFile,
  count: (bytes: number) => void,
  finish: (error: Error | null, content: Buffer | undefined | 'skipped') => void,
): void {
  const isRecord = entry.name.endsWith('.json');
  let parts: Uint8Array[] = [];
  let length = 0;
  entry.ondata = (error, data, final) => {
    if (error !== null) return finish(error, 'skipped');
    count(data.length);
    length += data.length;
    if (length > MAX_RECORD_BYTES || !isRecord) parts = [];
    else parts.push(data);
    if (!final) return;
    if (!isRecord) finish(null, 'skipped');
    else finish(null, length > MAX_RECORD_BYTES ? undefined : Buffer.concat(parts));
  };
  entry.start();
}

/** How many files the end of the archive counts, modulo 65,536. */
async function countEntries(path: string): Promise<number> {
  const tail = await readTail(path, END_RECORD_BYTES).catch((error: unknown) => {
    throw new InputError('unreadable', `${path}: cannot be read`, { cause: error });
  });
  for (let at = tail.length - 22; at >= 0; at -= 1)
    if (tail.readUInt32LE(at) === END_SIGNATURE) return tail.readUInt16LE(at + 10);
  throw new InputError('damaged', `${path}: the zip archive has no end; it is cut off or no zip archive`);
}

function guard(file: InputFile, push: () => void): void {
  try {
    push();
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw damaged(file, error);
  }
}

function damaged({ path }: InputFile, cause: unknown): InputError {
  return new InputError('damaged', `${path}: the zip archive is damaged or cut off`, { cause });
}
