import { seen, unreadable } from '../../posture/observed.ts';
import type { Observed } from '../../posture/observed.ts';
import type { NodeStatusFact } from '../../posture/fact/node-status.ts';

/*
 * The functions of systeminformation that start no process on Linux and report something about the node, each loaded
 * with its own file only. The files that they read are the same in every namespace. See
 * docs/decisions/0009-systeminformation.md.
 */

const MEMORY = '/proc/meminfo';
const OPEN_FILES = '/proc/sys/fs/file-nr';

/** Memory and swap of the machine in bytes. */
export interface MemoryUsage {
  readonly memory: NodeStatusFact['memory'];
  readonly swap: NodeStatusFact['swap'];
}

/** Total memory of the machine in bytes. */
export async function totalMemory(): Promise<number> {
  return (await memoryData()).total;
}

/** What the machine has and uses of memory and swap. */
export async function memoryUsage(): Promise<MemoryUsage> {
  const { total, available, swaptotal, swapused } = await memoryData();
  return {
    // Where the file cannot be read, the library answers 0.
    memory: understood({ totalBytes: total, availableBytes: available }, MEMORY, available > 0),
    swap: understood({ totalBytes: swaptotal, usedBytes: swapused }, MEMORY, available > 0),
  };
}

/** File handles of the whole machine. */
export async function openFiles(): Promise<NodeStatusFact['openFiles']> {
  const { default: filesystem } = await import('systeminformation/lib/filesystem.js');
  const { allocated, max } = await filesystem.fsOpenFiles();
  // systemd sets it to the largest number of the kernel, 2^63 - 1.
  return understood({ allocated, limit: Math.min(max, Number.MAX_SAFE_INTEGER) }, OPEN_FILES, true);
}

async function memoryData() {
  // The default export: a bundler does not see the names that a CommonJS module exports.
  const { default: memory } = await import('systeminformation/lib/memory.js');
  return memory.mem();
}

function understood<T extends Readonly<Record<string, number>>>(
  value: T,
  source: string,
  isRead: boolean,
): Observed<T> {
  const isValid = isRead && Object.values(value).every((number) => Number.isSafeInteger(number) && number >= 0);
  return isValid ? seen(value, source) : unreadable(source, 'its content is not understood');
}
