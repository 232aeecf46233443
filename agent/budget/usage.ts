import { readFileSync } from 'node:fs';

/** What this process takes of its machine. */
export interface Usage {
  /** Resident memory, bytes. */
  readonly rssBytes: number;
  /** CPU time of all threads since the start, milliseconds. */
  readonly cpuMs: number;
}

/** What the process takes now, from the kernel: two system calls, some 20 µs. */
export function processUsage(): Usage {
  const { user, system } = process.cpuUsage();
  return { rssBytes: process.memoryUsage.rss(), cpuMs: (user + system) / 1000 };
}

/** The same without the pages of program files, which agent and broker share: the agent counts those. */
export function privateUsage(): Usage {
  const usage = processUsage();
  // proc_pid_status(5), in KiB.
  const anonymous = /^RssAnon:\s+(\d{1,12}) kB$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1];
  return anonymous === undefined ? usage : { ...usage, rssBytes: Number(anonymous) * 1024 };
}
