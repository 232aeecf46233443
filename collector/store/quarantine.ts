import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** A damaged file of the store that was renamed. */
export interface QuarantinedFile {
  readonly path: string;
  readonly atMs: number;
}

/** SQLite keeps up to two files beside its own. */
const SUFFIXES = ['', '-wal', '-shm'];
/** Damaged files that are kept; the oldest goes first. */
const KEPT = 3;
/** `store.sqlite.damaged-2026-06-01T00-00-00.000Z`: ISO 8601, without what some file systems do not take. */
const MARK = '.damaged-';
const TIME = /^(\d{4}-\d\d-\d\dT\d\d)-(\d\d)-(\d\d\.\d{3}Z)$/;

/** Renames the files of the database at `path`, and deletes the oldest quarantined ones. Throws the error of the system. */
export function quarantine(path: string, nowMs: number): QuarantinedFile {
  // Two in one millisecond would overwrite each other.
  let atMs = nowMs;
  while (existsSync(placeOf(path, atMs))) atMs += 1;
  const place = placeOf(path, atMs);
  // The database last: while it is there, the others belong to it.
  for (const suffix of SUFFIXES.toReversed()) if (existsSync(path + suffix)) renameSync(path + suffix, place + suffix);
  for (const old of listQuarantined(path).slice(KEPT))
    for (const suffix of SUFFIXES) rmSync(old.path + suffix, { force: true });
  return { path: place, atMs };
}

/** The quarantined files beside the database at `path`, newest first. Throws the error of the system. */
export function listQuarantined(path: string): readonly QuarantinedFile[] {
  const start = basename(path) + MARK;
  return readdirSync(dirname(path))
    .filter((name) => name.startsWith(start))
    .flatMap((name) => {
      const time = TIME.exec(name.slice(start.length));
      const atMs = time === null ? NaN : Date.parse(`${time[1] ?? ''}:${time[2] ?? ''}:${time[3] ?? ''}`);
      return Number.isNaN(atMs) ? [] : [{ path: join(dirname(path), name), atMs }];
    })
    .sort((one, other) => other.atMs - one.atMs);
}

function placeOf(path: string, atMs: number): string {
  return path + MARK + new Date(atMs).toISOString().replaceAll(':', '-');
}
