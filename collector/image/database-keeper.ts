import { statSync } from 'node:fs';
import { openVulnerabilityDatabase } from '../../image/vulndb/database.ts';
import type { VulnerabilityDatabase } from '../../image/vulndb/database.ts';
import { verifyDatabase } from '../../image/vulndb/verify-database.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import type { Issue } from '../status/collector-status.ts';

/** The state of the vulnerability database. `older`: older than the one that was used last, so it is not used. */
export interface DatabaseState {
  readonly state: 'ok' | 'tooOld' | 'missing' | 'damaged' | 'older';
  /** When it was built; absent where it could not be read. */
  readonly builtMs?: number;
  /** Why it is not used; empty: it is. */
  readonly problem: string;
}

/** A database in use. */
export interface OpenDatabase {
  readonly database: VulnerabilityDatabase;
  /** Orders databases by age: begins with when they were built. */
  readonly id: string;
}

/** Keeps the newest sound database of a path open. */
export interface DatabaseKeeper {
  /**
   * Opens the file where it is another one than before. The old one stays in use where the new one is damaged or older.
   * `newest`: id of the database that judged last; empty: none did.
   */
  readonly refresh: (newest: string) => Promise<void>;
  readonly current: () => OpenDatabase | undefined;
  readonly state: () => DatabaseState;
  /** What is wrong with the database, for `status`. */
  readonly issues: () => readonly Issue[];
  readonly close: () => void;
}

/** What a keeper needs. */
export interface DatabaseKeeperOptions {
  /** File of the vulnerability database. */
  readonly path: string;
  /** An older database is reported. */
  readonly maxAgeMs: number;
  /** See `verifyDatabase`. */
  readonly databaseWorker: URL;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Opens nothing before the first `refresh`. */
export function createDatabaseKeeper(options: DatabaseKeeperOptions): DatabaseKeeper {
  const { path, maxAgeMs, databaseWorker, clock, log, signal } = options;
  let open: (OpenDatabase & { readonly file: string }) | undefined;
  let refused: DatabaseState = { state: 'missing', problem: `${path}: not read yet` };
  let refusedFile = '';
  let hasJudged = false;

  const refuse = (state: DatabaseState, file: string): void => {
    if (state.state !== refused.state || file !== refusedFile)
      log.warn({ path, problem: state.problem }, 'the vulnerability database is not used');
    refused = state;
    refusedFile = file;
  };
  const close = (): void => {
    open?.database.close();
    open = undefined;
  };
  const refresh = async (newest: string): Promise<void> => {
    const file = fileOf(path);
    if (file === undefined) {
      close();
      hasJudged = newest !== '';
      refuse({ state: 'missing', problem: `${path}: no vulnerability database` }, '');
      return;
    }
    if (file === refusedFile) return;
    if (file === open?.file) {
      // It took the place of one that was refused.
      refusedFile = '';
      return;
    }
    // Overwritten in place, so that the one in use is not what was verified any more.
    if (open !== undefined && file.startsWith(`${open.file.split(' ', 2).join(' ')} `)) close();
    const verified = await verifyDatabase(path, databaseWorker, signal);
    // Only what was verified is opened: a file that was replaced in the meantime is verified with the next call.
    const opened = verified.ok ? openVulnerabilityDatabase(path) : verified;
    if (file !== fileOf(path)) {
      if (opened.ok && 'database' in opened) opened.database.close();
      return;
    }
    hasJudged = newest !== '';
    if (!opened.ok)
      return refuse({ state: opened.code === 'missing' ? 'missing' : 'damaged', problem: opened.problem }, file);
    const { database } = opened;
    const { builtAt, advisories } = database.info;
    const id = `${String(builtAt).padStart(15, '0')}-${String(advisories)}`;
    if (id < newest) {
      database.close();
      const problem = `${path}: built before the database that was used last`;
      return refuse({ state: 'older', builtMs: builtAt, problem }, file);
    }
    close();
    open = { database, id, file };
    refusedFile = '';
    log.info({ path, builtAt: new Date(builtAt).toISOString(), advisories }, 'vulnerability database opened');
  };
  const state = (): DatabaseState => {
    // A file that took its place and cannot be used is what is reported.
    if (open === undefined || refusedFile !== '') return refused;
    const builtMs = open.database.info.builtAt;
    if (clock.now() - builtMs <= maxAgeMs) return { state: 'ok', builtMs, problem: '' };
    const days = Math.floor((clock.now() - builtMs) / 86_400_000);
    return { state: 'tooOld', builtMs, problem: `${path}: built ${String(days)} days ago` };
  };
  const issues = (): readonly Issue[] => {
    const { state: code, problem } = state();
    // Vulnerabilities are optional: a database that was never there is no issue.
    if (code === 'ok' || (code === 'missing' && !hasJudged)) return [];
    return [{ code: 'vulnerabilityDatabase', subject: path, text: problem, advice: ADVICE[code] }];
  };
  return { refresh, current: () => open, state, issues, close };
}

const ADVICE = {
  tooOld: 'build or update it (`plimsoll vulndb`); vulnerabilities that became known since then are not reported',
  missing:
    'build it or restore it (`plimsoll vulndb`); until then known vulnerabilities stay and new ones are not found',
  damaged:
    'build it anew or replace it (`plimsoll vulndb`); until then known vulnerabilities stay and new ones are not found',
  older: 'put a newer one in its place (`plimsoll vulndb`)',
} as const satisfies Record<Exclude<DatabaseState['state'], 'ok'>, string>;

/** Identity of a file, which changes when it is replaced or gets other permissions; undefined: no file. */
function fileOf(path: string): string | undefined {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats === undefined ? undefined : [stats.dev, stats.ino, stats.size, stats.mtimeMs, stats.ctimeMs].join(' ');
}
