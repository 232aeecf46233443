import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { errorCode } from './files.ts';

/** A lock that was taken, or the process that has it. */
export type Locked = { readonly ok: true; readonly release: () => void } | { readonly ok: false; readonly pid: number };

/**
 * Takes a lock for this process: a file that names it. One whose process is gone, or whose number belongs to another
 * process by now, is taken over. Throws what the file system says.
 */
export function takeLock(path: string): Locked {
  const own = `${String(process.pid)} ${startOf(process.pid)}\n`;
  for (let attempt = 0; ; attempt += 1) {
    try {
      const descriptor = openSync(path, 'wx', 0o600);
      writeSync(descriptor, own);
      closeSync(descriptor);
      return { ok: true, release: () => rmSync(path, { force: true }) };
    } catch (error) {
      if (errorCode(error) !== 'EEXIST' || attempt > 2) throw error;
    }
    const pid = lockHolder(path);
    if (pid !== undefined) return { ok: false, pid };
    rmSync(path, { force: true });
  }
}

/** The process that holds the lock at `path`; undefined where nobody does, or it cannot be read. Changes nothing. */
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
