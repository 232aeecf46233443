import { closeSync, constants, fstatSync, ftruncateSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { encodeRecord, readRecord } from './spool-record.ts';

/** One file of records, open. */
export interface Segment {
  readonly path: string;
  readonly descriptor: number;
  /** Bytes of whole records; bytes after them are not a record. */
  bytes: number;
  records: number;
  /** Sequence of the last record; 0: no record. */
  last: number;
  /** Nothing can be added: a failed write left something behind that could not be cut off. */
  sealed: boolean;
}

/** Opens or creates a segment, for its owner only, and checks it; see {@link checkSegment}. */
export function openSegment(path: string): { readonly segment: Segment; readonly damaged: boolean } {
  const descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  const segment: Segment = { path, descriptor, bytes: 0, records: 0, last: 0, sealed: false };
  return { segment, damaged: checkSegment(segment) };
}

/**
 * Reads every record and works out what the segment holds. At the first that is damaged, or that does not count
 * upwards, the file is cut off. Answers whether that had to be.
 */
export function checkSegment(segment: Segment): boolean {
  Object.assign(segment, { bytes: 0, records: 0, last: 0 });
  for (;;) {
    const record = readRecord(segment.descriptor, segment.bytes);
    if (record === 'end') return false;
    if (record === 'damaged' || record.sequence <= segment.last) {
      ftruncateSync(segment.descriptor, segment.bytes);
      return true;
    }
    segment.bytes = record.end;
    segment.records += 1;
    segment.last = record.sequence;
  }
}

/** Adds a record. Throws what the system says (a full disk, most likely); then the segment is as it was before. */
export function appendRecord(segment: Segment, sequence: number, payload: Buffer): void {
  const record = encodeRecord(sequence, payload);
  try {
    for (let written = 0; written < record.length;)
      written += writeSync(segment.descriptor, record, written, record.length - written, segment.bytes + written);
  } catch (error) {
    cutOff(segment);
    throw error;
  }
  segment.bytes += record.length;
  segment.records += 1;
  segment.last = sequence;
}

/** How many records have a sequence above `acked`; at most a few too many where sequences were left out. */
export function waitingIn(segment: Segment, acked: number): number {
  return Math.max(0, Math.min(segment.records, segment.last - acked));
}

/** Deletes the file. */
export function removeSegment(segment: Segment): void {
  closeSync(segment.descriptor);
  unlinkSync(segment.path);
}

function cutOff(segment: Segment): void {
  try {
    if (fstatSync(segment.descriptor).size > segment.bytes) ftruncateSync(segment.descriptor, segment.bytes);
  } catch {
    // The part of a record stays behind the end that we know, is never read, and counts as damage at the next start.
    segment.sealed = true;
  }
}
