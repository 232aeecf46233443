import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { FileTreeError } from '../file-tree.ts';
import type { TreeFile } from '../file-tree.ts';
import { decompressZstd } from './zstd-frames.ts';

/** Limits of what one compressed stream may expand to. */
export interface ExpansionLimits {
  readonly maxBytes: number;
  /** How many times as large the content may be as the compressed stream, beyond `freeBytes`. */
  readonly maxRatio: number;
  readonly freeBytes: number;
}

/** Real layers expand 2 to 20 times; deflate cannot exceed 1,032 times. */
export const EXPANSION_LIMITS: ExpansionLimits = {
  maxBytes: 32 * 1024 ** 3,
  maxRatio: 200,
  freeBytes: 256 * 1024 ** 2,
};

const CHUNK_BYTES = 1024 * 1024;

/** A file or a part of one. */
export type Blob = Pick<TreeFile, 'sizeBytes' | 'read'>;

/**
 * The content of a blob in pieces, decompressed where it begins as gzip or zstd does. Throws `FileTreeError`: `damaged`
 * where it cannot be decompressed, `too-large` where it expands beyond the limits.
 */
export async function* decompress(blob: Blob, limits: ExpansionLimits = EXPANSION_LIMITS): AsyncGenerator<Uint8Array> {
  const name = compressionOf(blob.read(0, 4));
  if (name === undefined) {
    yield* chunksOf(blob);
    return;
  }
  let read = 0;
  const source = countChunks(blob, (bytes) => (read += bytes));
  let expanded = 0;
  try {
    for await (const chunk of name === 'gzip' ? gunzip(source) : decompressZstd(source)) {
      expanded += chunk.length;
      if (expanded > limits.maxBytes || (expanded > limits.freeBytes && expanded > read * limits.maxRatio))
        throw new FileTreeError('too-large', `it expands to more than ${String(limits.maxRatio)} times its size`);
      yield chunk;
    }
  } catch (error) {
    if (error instanceof FileTreeError) throw error;
    throw new FileTreeError('damaged', 'it cannot be decompressed', { cause: error });
  }
}

async function* gunzip(chunks: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const source = Readable.from(chunks, { objectMode: false });
  const output = createGunzip({ chunkSize: CHUNK_BYTES });
  source.once('error', (error) => output.destroy(error));
  try {
    yield* source.pipe(output) as AsyncIterable<Uint8Array>;
  } finally {
    source.destroy();
    output.destroy();
  }
}

/** Whether a blob begins as gzip or zstd does. */
export function isCompressed(blob: Blob): boolean {
  return compressionOf(blob.read(0, 4)) !== undefined;
}

/** How content is compressed that begins with these four bytes: RFC 1952, and RFC 8878 with any frame first. */
export function compressionOf([a, b, c, d]: Uint8Array): 'gzip' | 'zstd' | undefined {
  if (a === 0x1f && b === 0x8b) return 'gzip';
  const isSkippable = ((a ?? 0) & 0xf0) === 0x50 && b === 0x2a && c === 0x4d && d === 0x18;
  return isSkippable || (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) ? 'zstd' : undefined;
}

function* chunksOf({ sizeBytes, read }: Blob): Generator<Uint8Array> {
  for (let offset = 0; offset < sizeBytes;) {
    const chunk = read(offset, Math.min(CHUNK_BYTES, sizeBytes - offset));
    if (chunk.length === 0) throw new FileTreeError('damaged', 'it ends too early');
    offset += chunk.length;
    yield chunk;
  }
}

function* countChunks(blob: Blob, count: (bytes: number) => void): Generator<Uint8Array> {
  for (const chunk of chunksOf(blob)) {
    count(chunk.length);
    yield chunk;
  }
}
