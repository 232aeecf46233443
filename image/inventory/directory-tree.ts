import { DirectoryPool, isGone } from './directory-handle.ts';
import type { DirectoryHandle } from './directory-handle.ts';
import { FileTreeError } from './file-tree.ts';
import type { OpenFileTree } from './file-tree.ts';
import type { PathEntry } from './path-resolution.ts';
import { createSourceTree, WALK_LIMITS } from './source-tree.ts';
import type { Entered, SourceFile, WalkLimits } from './source-tree.ts';

/** How a directory is read. */
export interface DirectoryTreeOptions {
  /**
   * What a mount below the root means. `volume`: the root is that of a container, so a mount is no part of its image.
   * `gap`: the root is that of a machine, whose packages may be on several file systems.
   */
  readonly mounts: 'volume' | 'gap';
  readonly limits?: WalkLimits;
}

/** Mounts of a machine that hold no installed software: they are no gap. */
const PSEUDO_MOUNTS = new Set(['/proc', '/sys', '/dev', '/run', '/tmp']);

/**
 * Opens a root directory: `/proc/PID/root`, a mounted image, or any directory. Links are resolved inside it. Other
 * mounts are not entered, and nothing but regular files is opened. Throws the error of open(2) where the root cannot be
 * opened.
 */
export function openDirectoryTree(root: string, { mounts, limits = WALK_LIMITS }: DirectoryTreeOptions): OpenFileTree {
  const pool = new DirectoryPool(root);
  const lookup = (directory: DirectoryHandle, name: string): PathEntry<DirectoryHandle, SourceFile> | undefined => {
    const stats = directory.stat(name);
    if (stats === undefined) return undefined;
    if (stats.isFile()) return { kind: 'file', file: directory.file(name) };
    if (stats.isSymbolicLink()) return { kind: 'link', target: directory.link(name) };
    if (!stats.isDirectory()) return { kind: 'other' };
    const child = directory.child(name);
    return child === 'mount' ? { kind: 'other' } : { kind: 'directory', directory: child };
  };
  const enter = (directory: DirectoryHandle, name: string): Entered<DirectoryHandle> => {
    try {
      const child = directory.child(name);
      if (child !== 'mount') return { ok: true, directory: child };
      const isGap = mounts === 'gap' && !(directory.parent === undefined && PSEUDO_MOUNTS.has(`/${name}`));
      return { ok: false, gap: isGap ? 'not read: another file system is mounted here' : undefined };
    } catch (error) {
      if (error instanceof FileTreeError) return { ok: false, gap: isGone(error) ? undefined : error.message };
      throw error;
    }
  };
  const tree = createSourceTree<DirectoryHandle>(
    {
      root: pool.root,
      entries: (directory, max) => {
        try {
          return directory.entries(max);
        } catch (error) {
          if (isGone(error)) return [];
          throw error;
        }
      },
      enter,
      file: (directory, name) => directory.file(name),
      lookup,
    },
    limits,
  );
  return { ...tree, close: () => pool.close() };
}
