import { lstat, readlink } from 'node:fs';
import { promisify } from 'node:util';
import { failure, failureFrom, magicLink } from './failure.ts';
import { nameFromBytes, pathToNative } from './native-path.ts';
import { isMagic } from './path-mapper.ts';
import type { Read } from './host.ts';
import type { PathMapper } from './path-mapper.ts';

/** Links that may be followed on the way to one path; Linux itself stops after 40 (path_resolution(7)). */
const MAX_LINKS = 40;
/** Components that may be looked up on the way; 40 links of 4,096 bytes could ask for far more. */
const MAX_STEPS = 4096;

const lstatOf = promisify(lstat);
const readlinkOf = promisify(readlink);

/** One look-up on the way to a path: `name` in the real directory `directory`. */
export interface Step {
  readonly directory: string;
  readonly name: string;
  /** `device:inode` of what was found; empty where there was nothing. */
  readonly identity: string;
  /** When the kernel last noted a change of what was found; 0 where there was nothing. */
  readonly changedAtMs: number;
}

/** Where a path leads, and every look-up that decided it. */
export interface Walk {
  readonly outcome: Read<string>;
  readonly steps: readonly Step[];
}

/**
 * Follows a path component by component. An absolute link starts again at the root of the node and `..` stops there,
 * so no link leads out. The outcome is the path without links; `absent`, `loop` and `denied` are reported.
 */
export async function walk(tree: PathMapper, path: string): Promise<Walk> {
  const steps: Step[] = [];
  const pending = componentsOf(path).toReversed();
  let real: string[] = [];
  let links = 0;
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (name === '..') {
      real.pop();
      continue;
    }
    if (steps.length >= MAX_STEPS) return { outcome: failure('loop', 'too many path components'), steps };
    const found = await lookUp(tree, real, name);
    const { identity, changedAtMs } = found.ok ? found.value : { identity: '', changedAtMs: 0 };
    steps.push({ directory: `/${real.join('/')}`, name, identity, changedAtMs });
    if (!found.ok) return { outcome: found, steps };
    if (found.value.target !== undefined) {
      links += 1;
      if (links > MAX_LINKS) return { outcome: failure('loop', 'too many symbolic links (ELOOP)'), steps };
      if (found.value.target.startsWith('/')) real = [];
      pending.push(...componentsOf(found.value.target).toReversed());
    } else if (pending.length > 0 && !found.value.isDirectory) {
      return { outcome: failure('absent', 'not a directory (ENOTDIR)'), steps };
    } else {
      real.push(name);
    }
  }
  return { outcome: { ok: true, value: `/${real.join('/')}` }, steps };
}

interface Found {
  readonly identity: string;
  readonly changedAtMs: number;
  readonly isDirectory: boolean;
  /** Text of the link, if it is one. */
  readonly target: string | undefined;
}

async function lookUp(tree: PathMapper, directory: readonly string[], name: string): Promise<Read<Found>> {
  const path = `/${[...directory, name].join('/')}`;
  const native = pathToNative(tree.toNative(path));
  try {
    const stats = await lstatOf(native);
    const isLink = stats.isSymbolicLink();
    if (isLink && isMagic(path)) return magicLink();
    const target = isLink ? nameFromBytes(await readlinkOf(native, { encoding: 'buffer' })) : undefined;
    const identity = `${String(stats.dev)}:${String(stats.ino)}`;
    const changedAtMs = Math.trunc(stats.ctimeMs);
    return { ok: true, value: { identity, changedAtMs, isDirectory: stats.isDirectory(), target } };
  } catch (error) {
    return failureFrom(error);
  }
}

function componentsOf(path: string): string[] {
  return path.split('/').filter((component) => component !== '' && component !== '.');
}
