import { constants, open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { parseJson } from '../../api/answer.ts';
import { auditRecord } from '../../api/audit.ts';
import type { AuditPage, AuditRecord } from '../../api/audit.ts';
import { errorCode } from '../../service/files.ts';

/** Which records to read. */
export interface AuditQuery {
  readonly sinceMs: number;
  readonly untilMs: number;
  /** Id or name of a principal. */
  readonly principal: string | undefined;
  readonly operation: string | undefined;
  /** Only calls that were refused. */
  readonly refused: boolean;
  readonly limit: number;
}

/** Where the log is: the current file, and how many rotated ones there can be. */
export interface AuditFiles {
  readonly path: string;
  readonly keep: number;
}

const CHUNK_BYTES = 64 * 1024;
/** One request reads at most so much: between two chunks, other work of the collector runs. */
const MAX_BYTES = 4 * 1024 * 1024;
/** A line is far shorter; a longer one is no record. */
const MAX_LINE_BYTES = 64 * 1024;
/** Records are written when calls end: one that began earlier can follow. */
const LONGEST_CALL_MS = 15 * 60_000;
const NEWLINE = 0x0a;

/**
 * Reads the newest records that match, newest first, through the rotated files. A started call whose end was recorded is
 * left out. Lines that are no records are skipped. Rejects with the error of the file system.
 */
export async function readAudit({ path, keep }: AuditFiles, query: AuditQuery): Promise<AuditPage> {
  const records: AuditRecord[] = [];
  const ended = new Set<string>();
  let [bytes, reachedMs, isPast] = [0, query.untilMs, false];
  const isFull = (): boolean => records.length >= query.limit || bytes >= MAX_BYTES;
  for (let number = 0; number <= keep && !isPast; number += 1) {
    for await (const line of linesBackwards(number === 0 ? path : `${path}.${String(number)}`)) {
      bytes += line.length + 1;
      const parsed = parseJson(line.toString('utf8'), auditRecord);
      if (!parsed.ok) continue;
      const record = parsed.value;
      if (record.phase === 'completed') ended.add(record.id);
      isPast = record.atMs < query.sinceMs - LONGEST_CALL_MS;
      if (isPast) break;
      if (record.atMs <= query.untilMs) reachedMs = Math.min(reachedMs, record.atMs);
      if (matches(record, query, ended)) records.push(record);
      if (isFull()) return { records, more: true, reachedMs };
    }
  }
  return { records, more: false, reachedMs };
}

function matches(record: AuditRecord, query: AuditQuery, ended: ReadonlySet<string>): boolean {
  const { principal, operation } = query;
  if (record.atMs < query.sinceMs || record.atMs > query.untilMs) return false;
  if (record.phase === 'started' && ended.has(record.id)) return false;
  if (principal !== undefined && record.principal.id !== principal && record.principal.name !== principal) return false;
  if (operation !== undefined && record.operation !== operation) return false;
  return !query.refused || record.code !== '';
}

/** The lines of a file from the last to the first; none where there is no file. */
async function* linesBackwards(path: string): AsyncGenerator<Buffer, void, undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (file === undefined) return;
  try {
    yield* splitBackwards(file, (await file.stat()).size);
  } finally {
    await file.close();
  }
}

async function* splitBackwards(file: FileHandle, size: number): AsyncGenerator<Buffer, void, undefined> {
  let rest = Buffer.alloc(0);
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - CHUNK_BYTES);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(end - start), 0, end - start, start);
    // Truncated meanwhile: what is left of it is not whole.
    if (bytesRead < end - start) return;
    let text = Buffer.concat([buffer, rest]);
    for (let at = text.lastIndexOf(NEWLINE); at !== -1; at = text.lastIndexOf(NEWLINE)) {
      if (text.length > at + 1) yield text.subarray(at + 1);
      text = text.subarray(0, at);
    }
    rest = text.length > MAX_LINE_BYTES ? Buffer.alloc(0) : text;
    end = start;
  }
  if (rest.length > 0) yield rest;
}
