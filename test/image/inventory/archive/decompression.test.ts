import { randomBytes } from 'node:crypto';
import { constants, gzipSync, zstdCompressSync } from 'node:zlib';
import t from 'tap';
import { decompress } from '../../../../image/inventory/archive/decompression.ts';
import { decompressZstd } from '../../../../image/inventory/archive/zstd-frames.ts';

/** The content, or why there is none. */
async function contentOf(bytes: Buffer): Promise<Buffer | string> {
  const parts: Uint8Array[] = [];
  try {
    const blob = { sizeBytes: bytes.length, read: (from: number, count: number) => bytes.subarray(from, from + count) };
    for await (const part of decompress(blob)) parts.push(part);
  } catch (error) {
    return String(error);
  }
  return Buffer.concat(parts);
}

const skippable = (content: Buffer, nibble = 0): Buffer => {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(0x184d2a50 + nibble, 0);
  header.writeUInt32LE(content.length, 4);
  return Buffer.concat([header, content]);
};
const noise = randomBytes(300_000);
const text = Buffer.from('text of a layer '.repeat(40_000));
const checked = zstdCompressSync(text, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
const unsized = zstdCompressSync(noise, { params: { [constants.ZSTD_c_contentSizeFlag]: 0 } });
const empty = zstdCompressSync(Buffer.alloc(0));
const sameBytes = Buffer.alloc(1_000_000, 'x');
const repeated = zstdCompressSync(sameBytes);
const LINES = Array.from({ length: 2000 }, (_, index) => Buffer.from(`line ${String(index)}`));

const STREAMS: Readonly<Record<string, readonly [bytes: readonly Buffer[], content: readonly Buffer[]]>> = {
  'one frame': [[checked], [text]],
  'frames of different headers': [
    [checked, unsized, repeated],
    [text, noise, sameBytes],
  ],
  'an empty frame between others': [
    [checked, empty, unsized],
    [text, noise],
  ],
  'skippable frames everywhere': [
    [skippable(noise, 3), checked, skippable(Buffer.alloc(0), 15), unsized, skippable(checked)],
    [text, noise],
  ],
  'many frames': [LINES.map((line) => zstdCompressSync(line)), LINES],
};

void t.test('a zstd stream has the content of all its frames', async (t) => {
  for (const [name, [frames, content]] of Object.entries(STREAMS)) {
    const bytes = Buffer.concat(frames);
    t.ok(Buffer.concat(content).equals((await contentOf(bytes)) as Buffer), name);
    const pieces = Array.from({ length: Math.ceil(bytes.length / 997) }, (_, at) =>
      bytes.subarray(at * 997, at * 997 + 997),
    );
    const parts: Buffer[] = [];
    for await (const part of decompressZstd(pieces)) parts.push(part);
    t.ok(Buffer.concat(content).equals(Buffer.concat(parts)), `${name}, in small pieces`);
  }
});

void t.test('a stream that is damaged has no content', async (t) => {
  const wrongSum = Buffer.from(checked);
  wrongSum[wrongSum.length - 1] = (wrongSum.at(-1) ?? 0) ^ 1;
  const cases: Readonly<Record<string, Buffer>> = {
    'a cut second frame': Buffer.concat([checked, unsized]).subarray(0, checked.length + 100),
    'a cut header': Buffer.concat([checked, unsized.subarray(0, 5)]),
    'a cut skippable frame': Buffer.concat([checked, skippable(noise).subarray(0, 1000)]),
    'bytes after the last frame': Buffer.concat([checked, Buffer.from('more')]),
    'a wrong checksum': Buffer.concat([wrongSum, unsized]),
    'a block of an unknown type': Buffer.concat([checked.subarray(0, 5), Buffer.alloc(64, 0xff)]),
    'a cut gzip member after another': Buffer.concat([gzipSync(text), gzipSync(noise).subarray(0, 100)]),
  };
  for (const [name, bytes] of Object.entries(cases)) t.match(await contentOf(bytes), /cannot be decompressed/, name);
});
