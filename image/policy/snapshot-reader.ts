import { readFile, stat } from 'node:fs/promises';
import type { KeyObject } from 'node:crypto';
import type { PolicySnapshot } from '../../policy/snapshot.ts';
import type { Clock } from '../../service/clock.ts';
import { parsePublicKeys } from '../../service/detached-signature.ts';
import { errorCode, PRIVATE_FILE, writeFileAtomic } from '../../service/files.ts';
import type { Logger } from '../../service/log.ts';
import { readBoundedText } from './bounded-text.ts';
import { readSnapshot, SNAPSHOT_FILES } from './snapshot-file.ts';

/** Where a snapshot is, and who signs it. Paths are absolute. */
export interface SnapshotLocation {
  /** Directory with `snapshot.json` and `snapshot.sig`. */
  readonly directory: string;
  /** Public keys in PEM that may sign it. */
  readonly keyFile: string;
  /** File with the version of the newest snapshot that was used: an older one is never used, also after a restart. */
  readonly versionFile: string;
}

/** The newest snapshot that was read. */
export interface SnapshotReader {
  /** Undefined: no snapshot was usable yet. */
  readonly current: () => PolicySnapshot | undefined;
  /** Why the files cannot be used; empty: they are in use. */
  readonly problem: () => string;
  /** Version of the newest snapshot that was used, also before a restart; 0: none. */
  readonly minVersion: () => number;
  /**
   * Reads key and snapshot again if they have changed. What is wrong, or older than before, is logged once, and the
   * earlier snapshot stays in use. Never rejects.
   */
  readonly refresh: () => Promise<void>;
}

const MAX_KEY_BYTES = 64 * 1024;

/** Opens a snapshot, which may arrive later. Rejects where the version file is damaged. */
export async function openSnapshotReader(
  location: SnapshotLocation,
  { clock, log, signal }: { readonly clock: Clock; readonly log: Logger; readonly signal: AbortSignal },
): Promise<SnapshotReader> {
  const { directory, keyFile, versionFile } = location;
  let minVersion = await readVersion(versionFile);
  let snapshot: PolicySnapshot | undefined;
  let problem = 'it is not read yet';
  let mark = '';
  const fail = (reason: string): void => {
    if (reason !== problem)
      log.error({ directory, reason }, 'the policy snapshot cannot be used; the earlier one stays in use');
    problem = reason;
  };
  const read = async (): Promise<void> => {
    const next = await markOf([...SNAPSHOT_FILES.map((name) => `${directory}/${name}`), keyFile]);
    if (next === mark) return;
    const keys = await readPublicKeys(keyFile);
    if (!keys.ok) return fail(`the key ${keyFile}: ${keys.reason}`);
    const opened = await readSnapshot(directory, { keys: keys.keys, minVersion }, { clock, signal });
    // A refused one is read again only when it changes: to verify and parse a large one each time costs a processor.
    if (!opened.ok) {
      mark = next;
      return fail(opened.reason);
    }
    const { version, issuedAt, byDigest } = opened.snapshot;
    // Before it is used: a crash must not make an older one acceptable again.
    if (version > minVersion) await writeFileAtomic(versionFile, `${String(version)}\n`, PRIVATE_FILE);
    [minVersion, snapshot, mark, problem] = [version, opened.snapshot, next, ''];
    log.info({ version, issuedAt, digests: byDigest.size }, 'policy snapshot loaded');
  };
  return {
    current: () => snapshot,
    problem: () => problem,
    minVersion: () => minVersion,
    refresh: () => read().catch((error: unknown) => fail(errorCode(error))),
  };
}

/** Public keys of a PEM file; `reason` is for people and quotes nothing of the file. */
export async function readPublicKeys(
  path: string,
): Promise<
  { readonly ok: true; readonly keys: readonly KeyObject[] } | { readonly ok: false; readonly reason: string }
> {
  const read = await readBoundedText(path, MAX_KEY_BYTES);
  return read.ok ? parsePublicKeys(read.text) : read;
}

/** Changes when one of the files is written, replaced, added or removed. */
export async function markOf(paths: readonly string[]): Promise<string> {
  const marks = await Promise.all(
    paths.map(async (path) => {
      try {
        const { ino, size, mode, ctimeNs } = await stat(path, { bigint: true });
        return [path, ino, size, mode, ctimeNs].join(' ');
      } catch (error) {
        return `${path} ${errorCode(error)}`;
      }
    }),
  );
  return marks.join('\n');
}

/** Rejects where the file is there and cannot be read: to start at 0 would accept an old snapshot. */
async function readVersion(path: string): Promise<number> {
  const text = await readFile(path, 'latin1').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return '0';
    throw error;
  });
  const version = /^\d{1,16}\s*$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(version)) return version;
  const hint = 'restore it from the log, where the version of each snapshot is, or remove it';
  throw Object.assign(new Error(`${path} does not hold the version of a snapshot`), { code: 'VERSION', hint });
}
