import type { Host, Read } from '../../host/host.ts';
import { readText } from '../read-text.ts';
import { parseProcStatus } from './proc-status.ts';

/** Threads of one process that are tried. */
const MAX_TRIED = 4096;

/**
 * Where a process can be read: `/proc/PID`, or `/proc/PID/task/TID` of a thread that runs where the main thread has ended
 * before the others. Such a main thread is a zombie without namespaces, open files and, in version 1, cgroups.
 * undefined: no thread of it runs.
 */
export async function liveDirectory(host: Host, pid: number): Promise<string | undefined> {
  const directory = `/proc/${String(pid)}`;
  const main = await readText(host, `${directory}/status`);
  const status = main.ok ? parseProcStatus(main.value) : undefined;
  // Unreadable, but not gone: the caller reads it again and reports why.
  if (status === undefined) return !main.ok && main.code !== 'absent' ? directory : undefined;
  if (!status.isDead) return directory;
  if (status.threads < 2) return undefined;
  const listed = await host.list(`${directory}/task`, { maxEntries: 100_000 });
  for (const thread of listed.ok ? listed.value.slice(0, MAX_TRIED) : []) {
    const read = await readText(host, `${directory}/task/${thread}/status`);
    if (read.ok && parseProcStatus(read.value)?.isDead === false) return `${directory}/task/${thread}`;
  }
  return undefined;
}

/** `cgroup` of a process that runs, from a thread that runs; absent where there is none. */
export async function readCgroupText(
  host: Host,
  pid: number,
  isExpected: (text: string) => boolean,
): Promise<Read<string>> {
  const read = await readText(host, `/proc/${String(pid)}/cgroup`);
  // It costs a read to find out whether the main thread runs: not where its cgroup says enough.
  if (!read.ok || isExpected(read.value)) return read;
  const directory = await liveDirectory(host, pid);
  if (directory === undefined) return { ok: false, code: 'absent', reason: 'no thread of the process runs' };
  return directory === `/proc/${String(pid)}` ? read : readText(host, `${directory}/cgroup`);
}
