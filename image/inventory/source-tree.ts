import type { InventoryGap } from '../../vulnerability/package.ts';
import { FileTreeError } from './file-tree.ts';
import type { FileTree, TreeFile } from './file-tree.ts';
import { resolveInside } from './path-resolution.ts';
import type { PathEntry } from './path-resolution.ts';

/** Limits of a walk; what is beyond them is a gap. */
export interface WalkLimits {
  /** Entries of all directories together. */
  readonly maxEntries: number;
  /** Entries of one directory. */
  readonly maxDirectoryEntries: number;
  /** Directories below each other. */
  readonly maxDepth: number;
}

/** Ten times a large image: the largest of Docker's official images have about 100,000 entries. */
export const WALK_LIMITS: WalkLimits = { maxEntries: 1_000_000, maxDirectoryEntries: 200_000, maxDepth: 128 };

/** How a tree is stored: what directories, layers and archives have to answer. `D` is one open directory. */
export interface TreeSource<D> {
  readonly root: D;
  /**
   * The entries of a directory in any order, at most `max`. Throws `FileTreeError`: `too-large` where it has more.
   */
  readonly entries: (directory: D, max: number) => readonly SourceEntry[];
  /** One directory below another; a reason where it is not entered. */
  readonly enter: (directory: D, name: string) => Entered<D>;
  /** The regular file of an entry. Does no I/O before its size, mode or bytes are asked for. */
  readonly file: (directory: D, name: string) => SourceFile;
  /** One entry by name, links not followed. */
  readonly lookup: (directory: D, name: string) => PathEntry<D, SourceFile> | undefined;
}

/** One entry of a listed directory. */
export interface SourceEntry {
  readonly name: string;
  readonly kind: 'file' | 'directory' | 'link' | 'other';
}

/** `gap` is undefined where not entering hides no part of the image, as for a mounted volume. */
export type Entered<D> =
  { readonly ok: true; readonly directory: D } | { readonly ok: false; readonly gap: string | undefined };

/** A regular file without its path. Size and mode are 0 where the file has vanished. */
export type SourceFile = Pick<TreeFile, 'sizeBytes' | 'mode' | 'read'>;

type Found<D> = ReturnType<typeof resolveInside<D, SourceFile>>;

/** A directory that is not the root, and a name in it. */
const SHORT_PATH = /^(\/[^\0]{1,3800})\/([^/\0]{1,255})$/;

/** Makes a file tree of a source: the walk with its limits, and the resolution of links. */
export function createSourceTree<D>(source: TreeSource<D>, limits: WalkLimits = WALK_LIMITS): FileTree {
  const resolve = (path: string): Found<D> => resolveInside(source.root, path, source.lookup);
  // A package database has a file for each package, all in one directory, which is resolved once for them.
  let last: { readonly path: string; readonly found: Found<D> } | undefined;
  const resolveFile = (path: string): Found<D> => {
    const [, parent, name] = SHORT_PATH.exec(path) ?? [];
    if (parent === undefined || name === undefined || name === '.' || name === '..') return resolve(path);
    if (last?.path !== parent) last = { path: parent, found: resolve(parent) };
    if (last.found?.kind !== 'directory') return undefined;
    const entry = source.lookup(last.found.directory, name);
    if (entry?.kind === 'link' || last.found.path === '/') return resolve(path);
    return entry?.kind === 'file' ? { ...entry, path: `${last.found.path}/${name}` } : undefined;
  };
  return {
    walk: (visit, onLink) => walk(source, limits, { visit, onLink }),
    file: (path) => {
      const found = resolveFile(path);
      return found?.kind === 'file' ? new LocatedFile(found.path, found.file) : undefined;
    },
    list: (path) => {
      const found = resolve(path);
      if (found?.kind !== 'directory') return [];
      return source
        .entries(found.directory, limits.maxDirectoryEntries)
        .map(({ name }) => name)
        .sort();
    },
  };
}

/** A file of a source at its path. Size and mode are read when a detector asks for them, not for each file. */
class LocatedFile implements TreeFile {
  readonly path: string;
  readonly #file: SourceFile;

  constructor(path: string, file: SourceFile) {
    this.path = path;
    this.#file = file;
  }

  get sizeBytes(): number {
    return this.#file.sizeBytes;
  }

  get mode(): number {
    return this.#file.mode;
  }

  readonly read = (offset: number, length: number): Uint8Array => this.#file.read(offset, length);
}

interface Pending<D> {
  readonly directory: D;
  readonly path: string;
  readonly depth: number;
}

interface Visitor {
  readonly visit: (file: TreeFile) => void;
  readonly onLink: ((path: string) => void) | undefined;
}

function walk<D>(source: TreeSource<D>, limits: WalkLimits, { visit, onLink }: Visitor): InventoryGap[] {
  const gaps: InventoryGap[] = [];
  const pending: Pending<D>[] = [{ directory: source.root, path: '', depth: 0 }];
  let left = limits.maxEntries;
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { directory, path, depth } = next;
    const entries = listOrGap(source, directory, path, { max: Math.min(left, limits.maxDirectoryEntries), gaps });
    left -= entries.length;
    const below: Pending<D>[] = [];
    for (const { name, kind } of entries) {
      const at = `${path}/${name}`;
      if (kind === 'file') {
        if (isMangled(source, directory, name)) gaps.push({ path: at, reason: NOT_UTF8 });
        else visit(new LocatedFile(at, source.file(directory, name)));
      } else if (kind === 'link') onLink?.(at);
      else if (kind === 'directory') {
        if (depth >= limits.maxDepth) {
          gaps.push({
            path: at,
            reason: `not read: more than ${String(limits.maxDepth)} directories below each other`,
          });
          continue;
        }
        const entered = source.enter(directory, name);
        if (entered.ok) below.push({ directory: entered.directory, path: at, depth: depth + 1 });
        else if (isMangled(source, directory, name)) gaps.push({ path: at, reason: NOT_UTF8 });
        else if (entered.gap !== undefined) gaps.push({ path: at, reason: entered.gap });
      }
    }
    // In the order of names, so that a limit cuts off the same part each time.
    pending.push(...below.toReversed());
  }
  return gaps;
}

const NOT_UTF8 = 'not read: the name is not valid UTF-8';

/** Node decodes a name that is not UTF-8 with a replacement character, and such a name then opens nothing. */
function isMangled<D>(source: TreeSource<D>, directory: D, name: string): boolean {
  if (!name.includes('\uFFFD')) return false;
  try {
    return source.lookup(directory, name) === undefined;
  } catch (error) {
    if (error instanceof FileTreeError) return true;
    throw error;
  }
}

function listOrGap<D>(
  source: TreeSource<D>,
  directory: D,
  path: string,
  { max, gaps }: { readonly max: number; readonly gaps: InventoryGap[] },
): SourceEntry[] {
  try {
    return source.entries(directory, max).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    if (!(error instanceof FileTreeError) || error.code === 'stopped') throw error;
    gaps.push({ path: path === '' ? '/' : path, reason: error.message });
    return [];
  }
}
