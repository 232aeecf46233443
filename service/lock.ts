import { accessSync, closeSync, constants, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { errorCode, PRIVATE_FILE } from './files.ts';

/** A lock that was taken, or who has it: `process 4711`, or that it cannot be seen from here. */
export type Locked =
  { readonly ok: true; readonly release: () => void } | { readonly ok: false; readonly holder: string };

/** How long to wait for a lock that another process holds; it may be about to end. */
const TIMEOUT_MS = 200;
/** SQLITE_BUSY (https://www.sqlite.org/rescode.html): another process holds the lock. */
const SQLITE_BUSY = 5;

/**
 * Takes a lock for this process. The kernel holds it: an exclusive SQLite transaction on `<path>.db`, which stays empty,
 * is a POSIX record lock (fcntl(2)). It ends with the process however that dies, and counts for every process that
 * reaches the file, whatever its PID namespace. The file at `path` names the holder for people and decides nothing.
 * `<path>.db` is never removed: of two files with one name, each could be locked. Throws what the file system says.
 */
export function takeLock(path: string): Locked {
  const db = openLockFile(`${path}.db`);
  try {
    // In memory: a journal that a killed process leaves would have to be rolled back first.
    db.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    rmSync(path, { force: true });
    writeFileSync(path, `${String(process.pid)} ${startOf(process.pid)}\n`, { flag: 'wx', mode: PRIVATE_FILE });
  } catch (error) {
    db.close();
    if ((error as { errcode?: unknown }).errcode !== SQLITE_BUSY) throw error;
    const pid = lockHolder(path);
    return { ok: false, holder: pid === undefined ? UNSEEN_HOLDER : `process ${String(pid)}` };
  }
  const release = (): void => {
    rmSync(path, { force: true });
    db.close();
  };
  return { ok: true, release };
}

const UNSEEN_HOLDER = 'a process of another container or PID namespace';

/** Opens or creates the file. No descriptor of it is closed here: that would end a lock of this process on it. */
function openLockFile(path: string): DatabaseSync {
  try {
    closeSync(openSync(path, 'wx', PRIVATE_FILE));
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
    // SQLite would say only that it cannot open it.
    accessSync(path, constants.R_OK | constants.W_OK);
  }
  return new DatabaseSync(path, { timeout: TIMEOUT_MS });
}

/**
 * The process that holds the lock at `path`; undefined where nobody does, it cannot be read, or the process is not to be
 * seen from here. Changes nothing.
 */
export function lockHolder(path: string): number | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').slice(0, 100);
  } catch {
    // Gone in between: it can be tried again.
    return undefined;
  }
  const match = /^(\d{1,10}) (\d*)$/.exec(text.trimEnd());
  if (match === null) return undefined;
  const pid = Number(match[1]);
  const start = startOf(pid);
  return start !== '' && start === match[2] ? pid : undefined;
}

/** When a process started, in clock ticks since boot: field 22 of /proc/PID/stat (proc_pid_stat(5)); empty: no process. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
    // The second field, the name in parentheses, may hold anything.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}
