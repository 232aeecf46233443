import type { Dirent, Stats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isInventoryFile, isInventoryLink } from '../../image/inventory/inventory.ts';
import { SETUID_BITS } from '../../image/inventory/setuid-collection.ts';
import type { OverlayRoot } from './overlay-root.ts';

/** Entries of the upper directory that are looked at; a container that changed more counts as changed. */
const MAX_ENTRIES = 10_000;
const MAX_DEPTH = 64;

interface Level {
  /** Path in the container; empty: the root. */
  readonly path: string;
  readonly depth: number;
  readonly upper: string;
  /** The directories of the layers that this one is merged with. */
  readonly lower: readonly string[];
}

/**
 * Has the container changed anything that an inventory reads? Every change of an overlay leaves a trace in its upper
 * directory: a file, a whiteout (a character device 0:0) or an opaque directory. Links are not followed: the entries are
 * those of the container. Undefined: nothing that matters; else one clause that says what. Paths are as this process
 * sees them. Rejects where a directory cannot be read.
 */
export async function findImageChange({ upper, lower, merged }: OverlayRoot): Promise<string | undefined> {
  const pending: Level[] = [{ path: '', depth: 0, upper, lower }];
  let entries = 0;
  for (let level = pending.pop(); level !== undefined; level = pending.pop()) {
    const { path, depth } = level;
    if (depth > MAX_DEPTH) return 'its directories are too deep';
    const list = await readdir(level.upper, { withFileTypes: true });
    entries += list.length;
    if (entries > MAX_ENTRIES) return `it changed more than ${String(MAX_ENTRIES)} files`;
    if (await isOpaque(level, list, join(merged, path))) return 'it replaced a directory of the image';
    for (const entry of list) {
      const at = `${path}/${entry.name}`;
      if (entry.isDirectory()) pending.push(await levelBelow(level, entry.name));
      else if (entry.isSymbolicLink()) {
        if (isInventoryLink(at)) return 'it added or changed a link that an inventory follows';
        if (await hidesSomething(level, entry.name, at)) return 'it replaced a file that an inventory reads';
      } else {
        const stats = await lstat(join(level.upper, entry.name));
        if (entry.isFile() && matters(at, stats)) return 'it added or changed a file that an inventory reads';
        if (!entry.isFile() && (await hidesSomething(level, entry.name, at)))
          return 'it deleted a file that an inventory reads';
        // A file of another kind may hide one that matters.
        if (entry.isFile() && (await hidesSomething(level, entry.name, at)))
          return 'it replaced a file that an inventory reads';
      }
    }
  }
  return undefined;
}

async function levelBelow({ path, depth, upper, lower }: Level, name: string): Promise<Level> {
  const below: string[] = [];
  for (const directory of lower) {
    const at = join(directory, name);
    const stats = await statsOf(at);
    if (stats === undefined) continue;
    // Anything else ends the merge: what is below it is hidden in the image too.
    if (!stats.isDirectory()) break;
    below.push(at);
  }
  return { path: `${path}/${name}`, depth: depth + 1, upper: join(upper, name), lower: below };
}

/** An opaque directory hides all that the layers have in it. Its mark is an extended attribute, which Node cannot read. */
async function isOpaque({ path, lower }: Level, upper: readonly Dirent[], merged: string): Promise<boolean> {
  // The root cannot be replaced.
  if (path === '' || lower.length === 0) return false;
  const shown = new Set([...(await readdir(merged)), ...upper.map(({ name }) => name)]);
  const hidden = new Set<string>();
  for (const directory of lower)
    for (const entry of await readdir(directory, { withFileTypes: true })) {
      if (shown.has(entry.name) || hidden.has(entry.name)) continue;
      // Deleted in the image itself: a whiteout of a newer layer.
      if (entry.isCharacterDevice()) hidden.add(entry.name);
      else return true;
    }
  return false;
}

/** Does an entry of the upper directory hide something of the image that an inventory reads? */
async function hidesSomething({ lower }: Level, name: string, at: string): Promise<boolean> {
  for (const directory of lower) {
    const stats = await statsOf(join(directory, name));
    if (stats === undefined) continue;
    // A whole directory: what was in it is not looked for.
    return stats.isDirectory() || (stats.isFile() && matters(at, stats)) || stats.isSymbolicLink();
  }
  return false;
}

function matters(path: string, { size, mode }: Stats): boolean {
  return (mode & SETUID_BITS) !== 0 || isInventoryFile({ path, sizeBytes: size, mode: mode & 0o7777 });
}

async function statsOf(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}
