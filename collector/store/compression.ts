import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';

/** Largest decompressed block: far above what a page of events and the largest finding have together. */
const MAX_BLOCK_BYTES = 64 * 1024 * 1024;

/** With a checksum: without one, some changed bits decompress to other text. */
const COMPRESSION = Object.freeze({
  params: { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1 },
});

/** The UTF-8 bytes of a text, compressed by Zstandard (RFC 8878). */
export function compress(text: string): Uint8Array {
  return zstdCompressSync(text, COMPRESSION);
}

/** The text that {@link compress} was given; undefined: the bytes are damaged. */
export function decompress(content: Uint8Array): string | undefined {
  try {
    return zstdDecompressSync(content, { maxOutputLength: MAX_BLOCK_BYTES }).toString();
  } catch {
    return undefined;
  }
}
