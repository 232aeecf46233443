import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { sleep } from '../service/clock.ts';
import type { Clock } from '../service/clock.ts';
import { errorCode, PRIVATE_FILE } from '../service/files.ts';
import type { Logger } from '../service/log.ts';

/** Tests whether the disk of the data directory still completes writes. */
export interface DiskProbe {
  /** Why the last probe failed; undefined: it succeeded. */
  readonly problem: () => string | undefined;
  /** The current probe has no answer: a write from the event loop would block the whole process. */
  readonly isHung: () => boolean;
  /** Resolves once the signal has aborted. */
  readonly over: Promise<void>;
}

/** Options of a disk probe. */
export interface DiskProbeOptions {
  /** File to write, in the data directory. */
  readonly path: string;
  readonly intervalMs: number;
  readonly deadlineMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** How often the wait for a probe is counted. */
const TICK_MS = 500;

/** A busy disk can take seconds for a flush. */
export const DISK_PROBE = Object.freeze({ intervalMs: 30_000, deadlineMs: 10_000 });

/**
 * Writes one byte to `path` and flushes it, now and then every `intervalMs`, in a thread of the pool. A frozen file
 * system blocks that thread in the kernel: the next probe starts only after its return, so that at most one is blocked. The
 * wait is counted by a timer of the event loop: on a machine without CPU time neither it nor the thread gets its turn, and
 * the disk is not to blame.
 */
export function startDiskProbe({ path, intervalMs, deadlineMs, clock, log, signal }: DiskProbeOptions): DiskProbe {
  let isRunning = false;
  let silentMs = 0;
  let failure: string | undefined;
  const isHung = (): boolean => silentMs >= deadlineMs;
  const problem = (): string | undefined =>
    isHung() ? `no answer for ${String(Math.round(silentMs / 1000))} s` : failure;
  const countSilence = async (over: AbortSignal): Promise<void> => {
    for (;;) {
      await sleep(clock, TICK_MS, AbortSignal.any([over, signal]));
      if (over.aborted || signal.aborted) return;
      silentMs += TICK_MS;
    }
  };
  const probe = async (): Promise<void> => {
    isRunning = true;
    const over = new AbortController();
    void countSilence(over.signal);
    const result = await writeByte(path);
    if (result !== failure && result !== undefined) log.warn({ path, reason: result }, 'the disk probe failed');
    failure = result;
    over.abort();
    silentMs = 0;
    isRunning = false;
  };
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      if (!isRunning) void probe();
      else log.warn({ path, silentMs }, 'the disk does not answer');
      await sleep(clock, intervalMs, signal);
    }
  };
  return { problem, isHung, over: run() };
}

/** The error code of the system; undefined: the byte is on the disk, or the disk is full, which is reported elsewhere. */
async function writeByte(path: string): Promise<string | undefined> {
  try {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const file = await open(path, flags, PRIVATE_FILE);
    try {
      await file.write('.', 0);
      await file.datasync();
    } finally {
      await file.close();
    }
    return undefined;
  } catch (error) {
    const code = errorCode(error);
    return code === 'ENOSPC' ? undefined : code;
  }
}
