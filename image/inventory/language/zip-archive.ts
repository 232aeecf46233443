import { inflateRawSync } from 'node:zlib';
import type { Content } from './manifest-content.ts';

/** Bytes that can be read at any offset: a file of an image, or an archive within an archive. */
export interface ByteSource {
  readonly sizeBytes: number;
  readonly read: (offset: number, length: number) => Uint8Array;
}

/** One entry of the central directory. Sizes and offset are what the archive claims. */
export interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly encrypted: boolean;
  readonly compressedBytes: number;
  readonly sizeBytes: number;
  /** Of the local header, from the start of the source. */
  readonly offset: number;
}

const END_BYTES = 22;
const MAX_COMMENT_BYTES = 65_535;
const MAX_DIRECTORY_BYTES = 64 * 1024 * 1024;
const MAX_ENTRIES = 200_000;
const LOCAL_BYTES = 30;
const CENTRAL_BYTES = 46;
const STORED = 0;
const DEFLATED = 8;

/**
 * The central directory of a ZIP archive, which is what the Java runtime reads, so local headers count for nothing but
 * where data starts. Found as the runtime finds it: from the end of the file backwards, with anything before the first
 * entry allowed. At most 200,000 entries. Throws what `read` throws.
 * https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 */
export function readZipDirectory(source: ByteSource): Content<readonly ZipEntry[]> {
  const end = findEnd(source);
  if (end === undefined) return fault('is not a ZIP archive');
  if (end.size > MAX_DIRECTORY_BYTES) return fault(`has a directory larger than ${String(MAX_DIRECTORY_BYTES)} bytes`);
  if (end.start < 0 || end.prefix < 0) return fault('has a damaged ZIP directory');
  return parseDirectory(source.read(end.start, end.size), end, source.sizeBytes);
}

/**
 * The content of an entry, of at most `maxBytes`. A reason where it is encrypted, larger, damaged, of another size than
 * the directory says, or where the local header names another file. Throws what `read` throws.
 */
export function readZipEntry(source: ByteSource, entry: ZipEntry, maxBytes: number): Content<Uint8Array> {
  if (entry.sizeBytes > maxBytes || entry.compressedBytes > maxBytes)
    return fault(`is larger than ${String(maxBytes)} bytes`);
  const range = dataRange(source, entry);
  if (!range.ok) return range;
  const bytes = source.read(range.value, entry.compressedBytes);
  if (bytes.length !== entry.compressedBytes) return fault('is damaged');
  const content = entry.method === STORED ? bytes : inflate(bytes, entry.sizeBytes);
  if (content === undefined) return fault('is damaged');
  return content.length === entry.sizeBytes
    ? { ok: true, value: content }
    : fault('has another size than its directory says');
}

/** An entry that is stored without compression, as a source of its own that copies nothing. */
export function storedSource(source: ByteSource, entry: ZipEntry): Content<ByteSource> {
  if (entry.method !== STORED || entry.sizeBytes !== entry.compressedBytes) return fault('is compressed');
  const range = dataRange(source, entry);
  if (!range.ok) return range;
  const start = range.value;
  if (start + entry.sizeBytes > source.sizeBytes) return fault('is damaged');
  const read = (offset: number, length: number): Uint8Array =>
    source.read(start + offset, Math.max(0, Math.min(length, entry.sizeBytes - offset)));
  return { ok: true, value: { sizeBytes: entry.sizeBytes, read } };
}

/** Whether an entry has no compression. */
export function isStored(entry: ZipEntry): boolean {
  return entry.method === STORED;
}

interface DirectoryEnd {
  readonly start: number;
  readonly size: number;
  /** Bytes before the archive proper: offsets in the directory count from there. */
  readonly prefix: number;
}

function findEnd(source: ByteSource): DirectoryEnd | undefined {
  const tailStart = Math.max(0, source.sizeBytes - END_BYTES - MAX_COMMENT_BYTES);
  const tail = buffer(source.read(tailStart, END_BYTES + MAX_COMMENT_BYTES));
  for (let at = tail.length - END_BYTES; at >= 0; at -= 1) {
    if (tail[at] !== 0x50 || tail.readUInt32LE(at) !== 0x06054b50) continue;
    const end = directoryEnd(source, tail.subarray(at, at + END_BYTES), tailStart + at);
    const fits = at + END_BYTES + tail.readUInt16LE(at + 20) === tail.length;
    if (fits || startsWithHeaders(source, end)) return end;
  }
  return undefined;
}

/** Bytes after the archive are allowed where the directory and the first entry are where this end says. */
function startsWithHeaders(source: ByteSource, end: DirectoryEnd): boolean {
  if (end.start < 0 || end.prefix < 0) return false;
  const central = buffer(source.read(end.start, 4));
  const local = buffer(source.read(end.prefix, 4));
  return (
    central.length === 4 &&
    local.length === 4 &&
    central.readUInt32LE() === 0x02014b50 &&
    local.readUInt32LE() === 0x04034b50
  );
}

function directoryEnd(source: ByteSource, record: Buffer, position: number): DirectoryEnd {
  const wide = wideEnd(source, position);
  const size = wide?.size ?? record.readUInt32LE(12);
  const start = (wide?.position ?? position) - size;
  return { start, size, prefix: start - (wide?.offset ?? record.readUInt32LE(16)) };
}

/** The ZIP64 end record, whose locator is before the end record. */
function wideEnd(source: ByteSource, position: number): { position: number; size: number; offset: number } | undefined {
  if (position < 20) return undefined;
  const locator = buffer(source.read(position - 20, 20));
  if (locator.length < 20 || locator.readUInt32LE() !== 0x07064b50) return undefined;
  const at = Number(locator.readBigUInt64LE(8));
  if (at > source.sizeBytes) return undefined;
  const record = buffer(source.read(at, 56));
  if (record.length < 56 || record.readUInt32LE() !== 0x06064b50) return undefined;
  return { position: at, size: Number(record.readBigUInt64LE(40)), offset: Number(record.readBigUInt64LE(48)) };
}

function parseDirectory(bytes: Uint8Array, end: DirectoryEnd, sourceBytes: number): Content<readonly ZipEntry[]> {
  const directory = buffer(bytes);
  if (directory.length !== end.size) return fault('has a damaged ZIP directory');
  const entries: ZipEntry[] = [];
  let claimed = 0;
  for (let at = 0; at < directory.length;) {
    const entry = parseEntry(directory, at, end.prefix);
    if (entry === undefined) return fault('has a damaged ZIP directory');
    if (entries.length === MAX_ENTRIES) return fault(`has more than ${String(MAX_ENTRIES)} entries`);
    entries.push(entry.value);
    claimed += entry.value.compressedBytes;
    at = entry.next;
  }
  // An empty archive is 22 bytes; what else the file holds is not known.
  if (entries.length === 0 && sourceBytes > END_BYTES) return fault('has an empty ZIP directory');
  // Entries that share their data are how a small archive becomes a large one.
  return claimed > sourceBytes ? fault('has entries that overlap') : { ok: true, value: entries };
}

function parseEntry(directory: Buffer, at: number, prefix: number): { value: ZipEntry; next: number } | undefined {
  if (at + CENTRAL_BYTES > directory.length || directory.readUInt32LE(at) !== 0x02014b50) return undefined;
  const nameEnd = at + CENTRAL_BYTES + directory.readUInt16LE(at + 28);
  const extraEnd = nameEnd + directory.readUInt16LE(at + 30);
  const next = extraEnd + directory.readUInt16LE(at + 32);
  if (next > directory.length) return undefined;
  const claimed = {
    sizeBytes: directory.readUInt32LE(at + 24),
    compressedBytes: directory.readUInt32LE(at + 20),
    offset: directory.readUInt32LE(at + 42),
  };
  const { sizeBytes, compressedBytes, offset } = widened(claimed, directory.subarray(nameEnd, extraEnd));
  const name = directory.toString('utf8', at + CENTRAL_BYTES, nameEnd);
  const encrypted = (directory.readUInt16LE(at + 8) & 1) !== 0;
  const method = directory.readUInt16LE(at + 10);
  return { value: { name, method, encrypted, compressedBytes, sizeBytes, offset: prefix + offset }, next };
}

type Sizes = Pick<ZipEntry, 'sizeBytes' | 'compressedBytes' | 'offset'>;

/** Values of all ones are in the ZIP64 extra field (id 1), in this order. */
function widened(claimed: Sizes, extra: Buffer): Sizes {
  const wide = { ...claimed };
  for (let at = 0; at + 4 <= extra.length;) {
    const end = Math.min(extra.length, at + 4 + extra.readUInt16LE(at + 2));
    if (extra.readUInt16LE(at) === 1) {
      let value = at + 4;
      for (const key of ['sizeBytes', 'compressedBytes', 'offset'] as const) {
        if (claimed[key] !== 0xffff_ffff || value + 8 > end) continue;
        wide[key] = Number(extra.readBigUInt64LE(value));
        value += 8;
      }
    }
    at = end;
  }
  return wide;
}

/** Where the data of an entry starts, behind its local header. */
function dataRange(source: ByteSource, entry: ZipEntry): Content<number> {
  if (entry.encrypted) return fault('is encrypted');
  if (entry.method !== STORED && entry.method !== DEFLATED) return fault('has a compression that Java does not read');
  if (entry.offset > source.sizeBytes) return fault('is damaged');
  const header = buffer(source.read(entry.offset, LOCAL_BYTES));
  if (header.length < LOCAL_BYTES || header.readUInt32LE() !== 0x04034b50) return fault('is damaged');
  const nameBytes = header.readUInt16LE(26);
  const start = entry.offset + LOCAL_BYTES + nameBytes + header.readUInt16LE(28);
  const name = buffer(source.read(entry.offset + LOCAL_BYTES, nameBytes)).toString('utf8');
  return name === entry.name ? { ok: true, value: start } : fault('has another name in its local header');
}

function inflate(bytes: Uint8Array, sizeBytes: number): Uint8Array | undefined {
  try {
    // One byte more than claimed shows that there is more.
    return inflateRawSync(bytes, { maxOutputLength: sizeBytes + 1 });
  } catch {
    return undefined;
  }
}

function buffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function fault(reason: string): { readonly ok: false; readonly reason: string } {
  return { ok: false, reason };
}
