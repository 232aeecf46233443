import { FileTreeError } from '../file-tree.ts';
import type { TreeFile } from '../file-tree.ts';
import { damagedStore, readExactly, viewOf } from './rpm-store.ts';

/** The pages of a SQLite database, with those of its write-ahead log in their place. */
export interface SqlitePages {
  /** Bytes of a page that hold content. */
  readonly usableBytes: number;
  /** Pages are numbered from 1. Throws `FileTreeError` where the page does not exist. */
  readonly page: (number: number) => Uint8Array;
}

const MAGIC = 'SQLite format 3\0';
const WAL_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const WAL_MAGIC = 0x377f_0682;
const MAX_WAL_BYTES = 256 * 1024 * 1024;

/**
 * Opens the pages of a database in the format of https://sqlite.org/fileformat2.html. Nothing of it is executed: views,
 * triggers and expressions of a hostile schema have no effect. `wal` is the write-ahead log beside the database: frames
 * up to the last valid commit replace pages, as SQLite recovers them.
 */
export function openSqlitePages(file: TreeFile, wal: TreeFile | undefined): SqlitePages {
  const header = readExactly(file, 0, 100);
  if (new TextDecoder('latin1').decode(header.subarray(0, 16)) !== MAGIC) throw damagedStore('not a SQLite database');
  const view = viewOf(header);
  const declared = view.getUint16(16);
  const pageBytes = declared === 1 ? 65_536 : declared;
  if (pageBytes < 512 || (pageBytes & (pageBytes - 1)) !== 0) throw damagedStore('the size of its pages is wrong');
  const usableBytes = pageBytes - view.getUint8(20);
  if (usableBytes < 480) throw damagedStore('the size of its pages is wrong');
  const frames = wal === undefined || wal.sizeBytes === 0 ? new Map<number, number>() : readWal(wal, pageBytes);
  return {
    usableBytes,
    page: (number) => {
      const frame = frames.get(number);
      if (frame !== undefined && wal !== undefined) return readExactly(wal, frame, pageBytes);
      if (number < 1) throw damagedStore('a page number is wrong');
      return readExactly(file, (number - 1) * pageBytes, pageBytes);
    },
  };
}

/** Offsets of the newest committed content of each page. Each frame continues the checksum of the one before. */
function readWal(wal: TreeFile, pageBytes: number): Map<number, number> {
  if (wal.sizeBytes > MAX_WAL_BYTES) throw new FileTreeError('too-large', 'the write-ahead log is too large');
  const committed = new Map<number, number>();
  const header = wal.read(0, WAL_HEADER_BYTES);
  if (header.length < WAL_HEADER_BYTES) return committed;
  const view = viewOf(header);
  const magic = view.getUint32(0);
  if ((magic & ~1) >>> 0 !== WAL_MAGIC || view.getUint32(8) !== pageBytes) return committed;
  const isLittle = (magic & 1) === 0;
  let sum = checksum(header.subarray(0, 24), isLittle, [0, 0]);
  if (sum[0] !== view.getUint32(24) || sum[1] !== view.getUint32(28)) return committed;
  let pending = new Map<number, number>();
  const step = FRAME_HEADER_BYTES + pageBytes;
  for (let at = WAL_HEADER_BYTES; at + step <= wal.sizeBytes; at += step) {
    const frame = readExactly(wal, at, step);
    const head = viewOf(frame);
    if (head.getUint32(8) !== view.getUint32(16) || head.getUint32(12) !== view.getUint32(20)) break;
    sum = checksum(frame.subarray(0, 8), isLittle, sum);
    sum = checksum(frame.subarray(FRAME_HEADER_BYTES), isLittle, sum);
    if (sum[0] !== head.getUint32(16) || sum[1] !== head.getUint32(20)) break;
    pending.set(head.getUint32(0), at + FRAME_HEADER_BYTES);
    if (head.getUint32(4) === 0) continue;
    for (const [number, offset] of pending) committed.set(number, offset);
    pending = new Map();
  }
  return committed;
}

function checksum(bytes: Uint8Array, isLittle: boolean, [start0, start1]: readonly [number, number]): [number, number] {
  const view = viewOf(bytes);
  let first = start0;
  let second = start1;
  for (let at = 0; at + 8 <= bytes.length; at += 8) {
    first = (first + view.getUint32(at, isLittle) + second) >>> 0;
    second = (second + view.getUint32(at + 4, isLittle) + first) >>> 0;
  }
  return [first, second];
}
