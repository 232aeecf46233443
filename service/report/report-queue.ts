import { appendFile, open, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, makePrivateDirectory, PRIVATE_FILE } from '../files.ts';
import type { Logger } from '../log.ts';

/** Records that wait on the disk until the collector has them. */
export interface ReportQueue {
  /** Takes a record, as one line of JSON. Does not wait; drops and counts it where there is no room. */
  readonly add: (line: string) => void;
  /** Writes what was added since the last call to the disk. Never rejects: a failure is logged and tried again. */
  readonly flush: () => Promise<void>;
  /** The oldest records that are on the disk; undefined: none. They stay until `remove`. */
  readonly oldest: () => Promise<ReportBatch | undefined>;
  readonly remove: (batch: ReportBatch) => Promise<void>;
  /** Records that wait. */
  readonly pending: () => number;
  /** Records that were dropped since the start, because the disk or the queue was full. */
  readonly dropped: () => number;
}

/** Some records, oldest first, as they were added. */
export interface ReportBatch {
  readonly segment: number;
  readonly lines: readonly string[];
}

/** Limits of a queue. */
export interface ReportQueueOptions {
  /** Directory of the queue alone. */
  readonly directory: string;
  readonly log: Logger;
  /** Default: {@link MAX_BYTES}. */
  readonly maxBytes?: number;
}

/** A request of the operator API has at most 64 KiB. */
const MAX_SEGMENT_BYTES = 48 * 1024;
const MAX_SEGMENT_LINES = 200;
const MAX_BYTES = 32 * 1024 * 1024;
const MAX_WAITING_LINES = 2_000;
const SEGMENT = /^(\d{12})\.ndjson$/;

interface Segment {
  readonly number: number;
  bytes: number;
  lines: number;
}

/**
 * Opens the queue in a directory, with what an earlier run left there. A queue beyond `maxBytes` loses its oldest
 * records, which are counted. Rejects with the error of the file system where the directory cannot be used.
 */
export async function openReportQueue({
  directory,
  log,
  maxBytes = MAX_BYTES,
}: ReportQueueOptions): Promise<ReportQueue> {
  await makePrivateDirectory(directory);
  const pathOf = (number: number): string => join(directory, `${String(number).padStart(12, '0')}.ndjson`);
  const segments = await readSegments(directory, pathOf);
  let next = (segments.at(-1)?.number ?? 0) + 1;
  /** The segment that is appended to; undefined: the next line starts one. */
  let open: Segment | undefined;
  const waiting: string[] = [];
  let dropped = 0;
  let reported = '';
  const write = async (lines: readonly string[]): Promise<void> => {
    const bytes = lines.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0);
    if (open === undefined || open.bytes + bytes > MAX_SEGMENT_BYTES || open.lines + lines.length > MAX_SEGMENT_LINES) {
      open = { number: next, bytes: 0, lines: 0 };
      next += 1;
      segments.push(open);
    }
    const segment = open;
    await appendSynced(pathOf(segment.number), `${lines.join('\n')}\n`);
    segment.bytes += bytes;
    segment.lines += lines.length;
  };
  const trim = async (): Promise<void> => {
    let total = segments.reduce((sum, { bytes }) => sum + bytes, 0);
    while (total > maxBytes && segments.length > 1) {
      const [oldest] = segments.splice(0, 1);
      if (oldest === undefined) return;
      total -= oldest.bytes;
      dropped += oldest.lines;
      await rm(pathOf(oldest.number), { force: true });
    }
  };
  const flushOnce = async (): Promise<void> => {
    while (waiting.length > 0) {
      const lines = takeLines(waiting);
      try {
        await write(lines);
        reported = '';
      } catch (error) {
        // What was written in part ends in a line that is not complete: it is skipped when it is read.
        open = undefined;
        const reason = errorCode(error);
        if (reason !== reported) log.error({ reason }, 'records for the collector cannot be written to the disk');
        reported = reason;
        return;
      }
      waiting.splice(0, lines.length);
      await trim();
    }
  };
  let flushing: Promise<void> | undefined;
  return {
    add: (line) => {
      if (waiting.length >= MAX_WAITING_LINES || Buffer.byteLength(line) >= MAX_SEGMENT_BYTES) dropped += 1;
      else waiting.push(line);
    },
    flush: () => (flushing ??= flushOnce().finally(() => (flushing = undefined))),
    oldest: async () => {
      for (;;) {
        const [segment] = segments;
        if (segment === undefined) return undefined;
        if (segment === open) open = undefined;
        const lines = await readLines(pathOf(segment.number));
        if (lines.length > 0) return { segment: segment.number, lines };
        segments.shift();
        // What cannot be removed is looked at again after a restart.
        await rm(pathOf(segment.number), { force: true }).catch(() => undefined);
      }
    },
    remove: async ({ segment: number }) => {
      const index = segments.findIndex((segment) => segment.number === number);
      if (index >= 0) segments.splice(index, 1);
      await rm(pathOf(number), { force: true });
    },
    pending: () => waiting.length + segments.reduce((sum, { lines }) => sum + lines, 0),
    dropped: () => dropped,
  };
}

/** As many lines as fit into one segment, at least one. */
function takeLines(waiting: readonly string[]): readonly string[] {
  let bytes = 0;
  let count = 0;
  for (const line of waiting.slice(0, MAX_SEGMENT_LINES)) {
    bytes += Buffer.byteLength(line) + 1;
    if (count > 0 && bytes > MAX_SEGMENT_BYTES) break;
    count += 1;
  }
  return waiting.slice(0, count);
}

async function appendSynced(path: string, text: string): Promise<void> {
  await using file = await open(path, 'a', PRIVATE_FILE);
  await appendFile(file, text);
  await file.datasync();
}

async function readSegments(directory: string, pathOf: (number: number) => string): Promise<Segment[]> {
  const numbers = (await readdir(directory))
    .flatMap((name) => SEGMENT.exec(name)?.[1] ?? [])
    .map(Number)
    .toSorted((one, other) => one - other);
  const segments: Segment[] = [];
  for (const number of numbers) {
    const lines = await readLines(pathOf(number));
    segments.push({ number, lines: lines.length, bytes: lines.reduce((sum, line) => sum + line.length + 1, 0) });
  }
  return segments;
}

/** The complete lines of a segment. */
async function readLines(path: string): Promise<readonly string[]> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '');
}
