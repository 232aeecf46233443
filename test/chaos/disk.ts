import { spawnSync } from 'node:child_process';
import { closeSync, constants, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { pause } from './program.ts';

/** A small disk of its own under a directory. */
export interface Disk {
  /** Leaves no byte free for a time, whatever is freed on it meanwhile; resolves when there is room again. */
  readonly fill: (forMs: number) => Promise<void>;
  readonly unmount: () => void;
}

/** Mounts a tmpfs at `directory`; the reason where that is not possible. */
export function mountDisk(directory: string, maxBytes: number): Disk | { readonly reason: string } {
  if (process.getuid?.() !== 0) return { reason: 'needs root to mount a tmpfs' };
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const options = `size=${String(maxBytes)},mode=0700`;
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'plimsoll-chaos', directory], { encoding: 'utf8' });
  if (mounted.status !== 0) return { reason: `no tmpfs can be mounted: ${mounted.stderr}` };
  const ballast = join(directory, 'ballast');
  return {
    fill: async (forMs) => {
      const untilMs = performance.now() + forMs;
      do {
        writeUntilFull(ballast);
        await pause(20);
      } while (performance.now() < untilMs);
      rmSync(ballast, { force: true });
    },
    unmount: () => {
      // Lazily: a process that was killed a moment ago may still hold a file.
      spawnSync('umount', ['-l', directory]);
    },
  };
}

const BLOCK = Buffer.alloc(64 * 1024);

function writeUntilFull(path: string): void {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND, 0o600);
  } catch {
    return; // not even a name can be added
  }
  try {
    for (let bytes = BLOCK.length; bytes >= 1;)
      try {
        writeSync(descriptor, BLOCK, 0, bytes);
      } catch {
        bytes = Math.floor(bytes / 16);
      }
  } finally {
    closeSync(descriptor);
  }
}
