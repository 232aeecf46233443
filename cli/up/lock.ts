import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, PRIVATE_FILE } from '../../service/files.ts';

/** The lock of a data directory, or who has it. */
export type Lock =
  | { readonly ok: true; readonly release: () => Promise<void> }
  | { readonly ok: false; readonly problem: string; readonly hint?: string };

/** How often a lock that turns out to be stale is taken away before we give up. */
const ATTEMPTS = 3;
const MAX_LOCK_TEXT = 256;

/**
 * Takes `up.lock` in `dataDir`: a file with the process id and the start time of its owner (field 22 of
 * /proc/PID/stat, so that a later process with the same number is not taken for it). A stale one is replaced.
 */
export async function takeLock(dataDir: string, pid: number): Promise<Lock> {
  const path = join(dataDir, 'up.lock');
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      if (await write(path, `${String(pid)} ${await startTime(pid)}\n`))
        return { ok: true, release: () => rm(path, { force: true }) };
      const owner = await liveOwner(path);
      if (owner !== undefined)
        return {
          ok: false,
          problem: `plimsoll up already runs on ${dataDir} (process ${owner})`,
          hint: 'end that one, or give this one a directory of its own: --data-dir DIR --listen HOST:PORT --api HOST:PORT',
        };
      await rm(path, { force: true });
    }
    return { ok: false, problem: `${path} could not be taken` };
  } catch (error) {
    return {
      ok: false,
      problem: `${path} could not be written: ${errorCode(error)}`,
      hint: 'choose a directory that you may write: --data-dir DIR',
    };
  }
}

/** False if the file is there already. */
async function write(path: string, text: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx', PRIVATE_FILE);
    try {
      await file.writeFile(text);
    } finally {
      await file.close();
    }
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

/** The process id in the lock if that process still runs. */
async function liveOwner(path: string): Promise<string | undefined> {
  const text = (await readFile(path, 'utf8').catch(() => '')).slice(0, MAX_LOCK_TEXT);
  const [, pid, started] = /^(\d{1,10}) (\d*)\n$/.exec(text) ?? [];
  if (pid === undefined) return undefined;
  return (await startTime(Number(pid))) === started ? pid : undefined;
}

/** When a process started, in clock ticks after boot; empty if there is no such process. */
async function startTime(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${String(pid)}/stat`, 'latin1').catch(() => '');
  // The second field is the name in parentheses and can contain anything; the rest follows the last of them.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}
