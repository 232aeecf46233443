import { readSync } from 'node:fs';
import { crc32 } from 'node:zlib';

/**
 * One record of a segment, all numbers little-endian:
 *
 *     offset  0  u32   length of the payload in bytes
 *             4  u32   CRC-32 (zlib) over bytes 8 … 16 + length
 *             8  u64   sequence
 *            16  …     payload: a FindingDelta (plimsoll/v1/fleet.proto)
 */
const HEADER_BYTES = 16;

/** Longest payload. A larger delta is not kept: a full transfer says the same in bounded messages. */
export const MAX_PAYLOAD_BYTES = 16 * 1024 * 1024;

/** A record as it was read. `end` is the offset behind it. */
export interface SpoolRecord {
  readonly sequence: number;
  readonly payload: Buffer;
  readonly end: number;
}

/** The bytes of a record. */
export function encodeRecord(sequence: number, payload: Buffer): Buffer {
  const record = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
  record.writeUInt32LE(payload.length, 0);
  record.writeBigUInt64LE(BigInt(sequence), 8);
  payload.copy(record, HEADER_BYTES);
  record.writeUInt32LE(crc32(record.subarray(8)), 4);
  return record;
}

/** Reads at `offset`: a record, the end, or damage (a torn write, a flipped bit, something else altogether). */
export function readRecord(descriptor: number, offset: number): SpoolRecord | 'end' | 'damaged' {
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  const got = readFully(descriptor, header, offset);
  if (got === 0) return 'end';
  if (got < HEADER_BYTES) return 'damaged';
  const length = header.readUInt32LE(0);
  const sequence = Number(header.readBigUInt64LE(8));
  if (length > MAX_PAYLOAD_BYTES || !Number.isSafeInteger(sequence) || sequence === 0) return 'damaged';
  const payload = Buffer.allocUnsafe(length);
  if (readFully(descriptor, payload, offset + HEADER_BYTES) < length) return 'damaged';
  if (crc32(payload, crc32(header.subarray(8))) !== header.readUInt32LE(4)) return 'damaged';
  return { sequence, payload, end: offset + HEADER_BYTES + length };
}

/** Reads until `buffer` is full or the file ends; answers how many bytes there were. Throws what the system says. */
function readFully(descriptor: number, buffer: Buffer, offset: number): number {
  let filled = 0;
  while (filled < buffer.length) {
    const got = readSync(descriptor, buffer, filled, buffer.length - filled, offset + filled);
    if (got === 0) break;
    filled += got;
  }
  return filled;
}
