import { readdirSync, readFileSync } from 'node:fs';

/** CPU time of a process with all its threads that live, in milliseconds: the scheduler's own account, in nanoseconds. */
export function cpuMs(pid: number): number {
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${String(pid)}/task`))
    try {
      nanoseconds += Number(readFileSync(`/proc/${String(pid)}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
    } catch {
      // The thread has just ended.
    }
  return nanoseconds / 1e6;
}

/** Resident memory of a process, in MiB; its highest with `VmHWM`. */
export function memoryMiB(pid: number, line: 'VmRSS' | 'VmHWM' | 'RssFile' = 'VmRSS'): number {
  const status = readFileSync(`/proc/${String(pid)}/status`, 'utf8');
  return Number(new RegExp(`^${line}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? Number.NaN) / 1024;
}

/** Resident memory of processes of one program, in MiB: pages of files, which they share, count once. */
export function memoryOfAllMiB(pids: readonly number[]): number {
  const files = pids.map((pid) => memoryMiB(pid, 'RssFile'));
  const all = pids.reduce((sum, pid) => sum + memoryMiB(pid), 0);
  return all - files.reduce((sum, size) => sum + size, 0) + Math.max(...files);
}
