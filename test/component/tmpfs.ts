import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
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

/** Why no ext4 file system can be mounted here; false: it can. */
export function cannotMountExt4(): string | false {
  if (process.getuid?.() !== 0) return 'mounting a file system needs root';
  if (!existsSync('/dev/loop-control')) return 'there are no loop devices';
  return ['/usr/sbin/mkfs.ext4', '/sbin/mkfs.ext4'].some((path) => existsSync(path)) ? false : 'mkfs.ext4 is absent';
}

/** A small ext4 file system on a directory of its own, until the test is over. */
export function mountExt4(test: { readonly teardown: (run: () => void) => void }): {
  readonly directory: string;
  readonly failReadOnly: () => void;
  /** Blocks every write until the result is called, or 20 s are over: a process that hangs cannot call it. */
  readonly freeze: () => () => void;
} {
  const place = mkdtempSync(join(tmpdir(), 'plimsoll-ext4-'));
  const [image, directory] = [join(place, 'image'), join(place, 'mounted')];
  test.teardown(() => rmSync(place, { recursive: true, force: true }));
  mkdirSync(directory);
  writeFileSync(image, '');
  truncateSync(image, 32 * 1024 ** 2);
  execFileSync('mkfs.ext4', ['-q', image], { stdio: 'ignore' });
  execFileSync('mount', ['-o', 'loop', image, directory], { stdio: 'ignore' });
  test.teardown(() => void execFileSync('umount', ['-l', directory]));
  return {
    directory,
    // What the kernel does after an error of the disk (errors=remount-ro).
    failReadOnly: () => void execFileSync('mount', ['-o', 'remount,abort', directory]),
    freeze: () => {
      const thaw = `fsfreeze --unfreeze ${directory} 2>/dev/null`;
      spawn('sh', ['-c', `sleep 20; ${thaw}`], { detached: true, stdio: 'ignore' }).unref();
      execFileSync('fsfreeze', ['--freeze', directory]);
      return () => void spawnSync('sh', ['-c', thaw]);
    },
  };
}
