import { closeSync, fdatasync, fdatasyncSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readRecord } from './spool-record.ts';
import type { SpoolRecord } from './spool-record.ts';
import { appendRecord, checkSegment, openSegment, removeSegment, waitingIn } from './spool-segment.ts';
import type { Segment } from './spool-segment.ts';

/**
 * The records of a spool in files `segment-<number>`: added at the end of the last one, read from the first, deleted
 * file by file. Functions throw what the system says.
 */
export interface Segments {
  /** Bytes of all records, those that wait and those whose file has not gone yet. */
  readonly bytes: () => number;
  /** How many records come after `acked`. */
  readonly waiting: (acked: number) => number;
  /** Sequence of the last record; 0: no record. */
  readonly last: () => number;
  /** Adds a record; on failure everything is as it was before. */
  readonly append: (sequence: number, payload: Buffer) => void;
  /** The first record after `sequence`. Damage is cut off with all that follows, and counted. */
  readonly after: (sequence: number) => SpoolRecord | undefined;
  /** Deletes the files that hold nothing after `acked`. */
  readonly discard: (acked: number) => void;
  readonly clear: () => void;
  /** Starts to write through to the disk, in the background. */
  readonly flush: () => void;
  /** How often damage was found. */
  readonly damaged: () => number;
  /** Writes through to the disk and closes. */
  readonly close: () => void;
}

const NAME = /^segment-\d{12}$/;
/** The last file is kept for the next records as long as it is no larger. */
const KEEP_BYTES = 64 * 1024;

/**
 * Opens the segments in `directory` and checks every record. At `rotateBytes` a new file is begun, so that what is
 * confirmed can go while later records wait.
 */
export function openSegments(directory: string, rotateBytes: number): Segments {
  const list: Segment[] = [];
  let damaged = 0;
  let number = 0;
  // Where the last `after` ended: the next one mostly goes on from there.
  let reader: { readonly segment: Segment; readonly offset: number; readonly sequence: number } | undefined;

  const dropAfter = (kept: number): void => {
    while (list.length > kept) removeSegment(list.pop() as Segment);
    reader = undefined;
  };
  for (const name of readdirSync(directory)
    .filter((entry) => NAME.test(entry))
    .sort()) {
    number = Number(name.slice(-12));
    const opened = openSegment(join(directory, name));
    list.push(opened.segment);
    const previous = list.at(-2);
    // After damage the later files no longer follow on what is kept.
    if (damaged > 0 || (previous !== undefined && opened.segment.records > 0 && opened.segment.last <= previous.last))
      dropAfter(list.length - 1);
    if (opened.damaged) damaged += 1;
  }

  const writable = (): Segment => {
    const last = list.at(-1);
    if (last !== undefined && !last.sealed && last.bytes < rotateBytes) return last;
    number += 1;
    const { segment } = openSegment(join(directory, `segment-${String(number).padStart(12, '0')}`));
    list.push(segment);
    return segment;
  };

  const after = (sequence: number): SpoolRecord | undefined => {
    const known = reader?.sequence === sequence ? reader : undefined;
    let index = known === undefined ? list.findIndex(({ last }) => last > sequence) : list.indexOf(known.segment);
    let offset = known?.offset ?? 0;
    for (let segment = list[index]; segment !== undefined; segment = list[(index += 1)], offset = 0) {
      while (offset < segment.bytes) {
        const record = readRecord(segment.descriptor, offset);
        if (typeof record === 'string') {
          damaged += 1;
          checkSegment(segment);
          dropAfter(index + 1);
          return undefined;
        }
        offset = record.end;
        if (record.sequence <= sequence) continue;
        reader = { segment, offset, sequence: record.sequence };
        return record;
      }
    }
    return undefined;
  };

  return {
    bytes: () => list.reduce((sum, { bytes }) => sum + bytes, 0),
    waiting: (acked) => list.reduce((sum, segment) => sum + waitingIn(segment, acked), 0),
    last: () => list.reduce((highest, { last }) => Math.max(highest, last), 0),
    append: (sequence, payload) => appendRecord(writable(), sequence, payload),
    after,
    discard: (acked) => {
      const isDone = (segment: Segment): boolean => segment.last <= acked && segment.bytes > 0;
      while (list.length > 1 && isDone(list[0] as Segment)) removeSegment(list.shift() as Segment);
      const [only] = list;
      if (only !== undefined && list.length === 1 && isDone(only) && only.bytes > KEEP_BYTES) dropAfter(0);
    },
    clear: () => dropAfter(0),
    flush: () => {
      const last = list.at(-1);
      // A failure shows at the next write or at the next start; there is nothing to do about it here.
      if (last !== undefined) fdatasync(last.descriptor, () => undefined);
    },
    damaged: () => damaged,
    close: () => {
      for (const { descriptor } of list.splice(0)) {
        fdatasyncSync(descriptor);
        closeSync(descriptor);
      }
    },
  };
}
