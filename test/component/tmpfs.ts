import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Why no file system can be mounted here; false: it can. */
export function cannotMount(): string | false {
  if (process.getuid?.() !== 0) return 'mounting a small file system needs root';
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-tmpfs-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory], { stdio: 'ignore' });
    execFileSync('umount', ['-l', directory]);
    return false;
  } catch {
    return 'no file system can be mounted here';
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A file system of this size (`256k`, `16m`) on a directory of its own, until the test is over. */
export function mountSmall(test: { readonly teardown: (run: () => void) => void }, size: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-tmpfs-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', directory]);
  test.teardown(() => {
    execFileSync('umount', ['-l', directory]);
    rmSync(directory, { recursive: true, force: true });
  });
  return directory;
}
