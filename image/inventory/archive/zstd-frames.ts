import { Readable } from 'node:stream';
import { createZstdDecompress } from 'node:zlib';

/** A stream that is not zstd, or ends within a frame. */
export class ZstdError extends Error {
  readonly code = 'ZSTD_DAMAGED';
}

const FRAME = 0xfd2f_b528;
/** 0x184d2a50 to 0x184d2a5f. */
const SKIPPABLE = 0x184d_2a5;
const MAX_FRAMES = 200_000;
const CHUNK_BYTES = 256 * 1024;

/** Bytes of the id of the dictionary and of the content size, by the flags of the frame header descriptor. */
const DICTIONARY_BYTES = [0, 1, 2, 4];
const CONTENT_SIZE_BYTES = [0, 2, 4, 8];
const RLE_BLOCK = 1;
const RESERVED_BLOCK = 3;

/**
 * The content of a zstd stream, RFC 8878: any number of frames after each other, between them skippable frames without
 * content. The decoder of Node stops after the first frame. Layers that Podman writes (`zstd:chunked`) and files of
 * parallel compressors have many; a runtime reads them all. Throws {@link ZstdError}, or what the decoder throws.
 */
export async function* decompressZstd(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Buffer> {
  const input = new ByteReader(source);
  try {
    for (let frames = 0; ; frames += 1) {
      if (frames > MAX_FRAMES) throw new ZstdError(`more than ${String(MAX_FRAMES)} frames`);
      const magic = await input.take(4, frames > 0);
      if (magic === undefined) return;
      const number = magic.readUInt32LE(0);
      if (number >>> 4 === SKIPPABLE) await input.skip((await input.need(4)).readUInt32LE(0));
      else if (number === FRAME) yield* decode(blocksOf(magic, input));
      else throw new ZstdError('not a frame');
    }
  } finally {
    await input.close();
  }
}

async function* decode(frame: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  const decoder = createZstdDecompress({ chunkSize: CHUNK_BYTES });
  const source = Readable.from(frame, { objectMode: false });
  source.once('error', (error) => decoder.destroy(error));
  try {
    yield* source.pipe(decoder) as AsyncIterable<Buffer>;
  } finally {
    source.destroy();
    decoder.destroy();
  }
}

/** The bytes of one frame, a block at a time, with its header and checksum. */
async function* blocksOf(magic: Buffer, input: ByteReader): AsyncGenerator<Buffer> {
  const descriptor = await input.need(1);
  const flags = descriptor[0] ?? 0;
  const isSingleSegment = (flags & 0x20) !== 0;
  const contentSize = CONTENT_SIZE_BYTES[flags >>> 6] ?? 0;
  const rest = (isSingleSegment ? Math.max(contentSize, 1) : 1 + contentSize) + (DICTIONARY_BYTES[flags & 3] ?? 0);
  yield Buffer.concat([magic, descriptor, await input.need(rest)]);
  for (let isLast = false; !isLast;) {
    const header = await input.need(3);
    const bits = header.readUIntLE(0, 3);
    isLast = (bits & 1) === 1;
    const type = (bits >>> 1) & 3;
    if (type === RESERVED_BLOCK) throw new ZstdError('a block of an unknown type');
    yield Buffer.concat([header, await input.need(type === RLE_BLOCK ? 1 : bits >>> 3)]);
  }
  if ((flags & 4) !== 0) yield await input.need(4);
}

/** Reads given numbers of bytes from chunks of any size. */
class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array> | Iterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);

  constructor(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {
    this.#chunks = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  }

  async need(count: number): Promise<Buffer> {
    const bytes = await this.take(count, false);
    if (bytes === undefined) throw new ZstdError('it ends within a frame');
    return bytes;
  }

  /** Undefined where `mayEnd` and there is nothing left. */
  async take(count: number, mayEnd: boolean): Promise<Buffer | undefined> {
    const parts: Uint8Array[] = [];
    let missing = count;
    while (missing > 0) {
      if (this.#chunk.length === 0 && !(await this.#next())) {
        if (mayEnd && missing === count) return undefined;
        throw new ZstdError('it ends within a frame');
      }
      const part = this.#chunk.subarray(0, missing);
      this.#chunk = this.#chunk.subarray(part.length);
      missing -= part.length;
      parts.push(part);
    }
    return Buffer.concat(parts);
  }

  async skip(count: number): Promise<void> {
    for (let missing = count; missing > 0;) {
      if (this.#chunk.length === 0 && !(await this.#next())) throw new ZstdError('it ends within a frame');
      const taken = Math.min(missing, this.#chunk.length);
      this.#chunk = this.#chunk.subarray(taken);
      missing -= taken;
    }
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async #next(): Promise<boolean> {
    const { done, value } = await this.#chunks.next();
    if (done === true) return false;
    this.#chunk = value;
    return true;
  }
}
