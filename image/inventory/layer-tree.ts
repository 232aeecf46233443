import type { InventoryGap } from '../../vulnerability/package.ts';
import { DirectoryPool } from './directory-handle.ts';
import type { DirectoryHandle } from './directory-handle.ts';
import { FileTreeError } from './file-tree.ts';
import type { OpenFileTree } from './file-tree.ts';
import type { PathEntry } from './path-resolution.ts';
import { createSourceTree } from './source-tree.ts';
import type { SourceEntry, SourceFile } from './source-tree.ts';

/** One layer of an image as overlayfs stores it. */
export interface LayerDirectory {
  /** The directory with its files. */
  readonly path: string;
  /**
   * Directories of this layer that hide those of older layers, absolute in the image. They carry an extended attribute
   * that Node cannot read, so whoever makes the list takes them from elsewhere. overlayfs ignores that of `/`.
   */
  readonly opaque: ReadonlySet<string>;
  /** Places where the directory does not show what the kernel shows. */
  readonly gaps: readonly InventoryGap[];
}

/** A directory of the merged tree: the directories of the layers that it consists of, newest first. */
interface MergedDirectory {
  readonly path: string;
  readonly parts: readonly Part[];
}

interface Part {
  readonly layer: LayerDirectory;
  readonly handle: DirectoryHandle;
}

/** Descriptors of all layers together. */
const MAX_OPEN = 512;
/** As overlayfs of Docker: 128 layers. */
const MAX_LAYERS = 500;

/**
 * Opens the layers of an image in place, newest first. A character device 0:0 deletes the entry of older layers
 * (overlayfs.rst, "whiteouts and opaque directories"). Throws the error of open(2) where a layer cannot be opened.
 */
export function openLayerTree(layers: readonly LayerDirectory[]): OpenFileTree {
  if (layers.length > MAX_LAYERS) throw new FileTreeError('too-large', `more than ${String(MAX_LAYERS)} layers`);
  const pools: DirectoryPool[] = [];
  const close = (): void => {
    for (const pool of pools) pool.close();
  };
  try {
    const perLayer = Math.max(4, Math.floor(MAX_OPEN / Math.max(1, layers.length)));
    for (const { path } of layers) pools.push(new DirectoryPool(path, perLayer));
  } catch (error) {
    close();
    throw error;
  }
  const parts = layers.flatMap((layer, index): Part[] => {
    const pool = pools[index];
    return pool === undefined ? [] : [{ layer, handle: pool.root }];
  });
  const tree = createSourceTree<MergedDirectory>({
    root: { path: '', parts },
    entries,
    enter: (directory, name) => {
      const entry = lookup(directory, name);
      return entry?.kind === 'directory'
        ? { ok: true, directory: entry.directory }
        : { ok: false, gap: 'it is no directory any more' };
    },
    file: (directory, name) => new MergedFile(directory, name),
    lookup,
  });
  return {
    ...tree,
    walk: (visit, onLink) => [...layers.flatMap(({ gaps }) => gaps), ...tree.walk(visit, onLink)],
    close,
  };
}

/** The newest layer that has an entry of this name decides what it is. */
function lookup({ path, parts }: MergedDirectory, name: string): PathEntry<MergedDirectory, SourceFile> | undefined {
  const found: Part[] = [];
  const at = `${path}/${name}`;
  for (const { layer, handle } of parts) {
    const stats = handle.stat(name);
    if (stats === undefined) continue;
    if (!stats.isDirectory()) {
      // Below a directory of a newer layer it is hidden, whatever it is.
      if (found.length > 0 || isWhiteout(stats)) break;
      if (stats.isFile()) return { kind: 'file', file: handle.file(name) };
      return stats.isSymbolicLink() ? { kind: 'link', target: handle.link(name) } : { kind: 'other' };
    }
    const child = handle.child(name);
    if (child === 'mount') throw new FileTreeError('unreadable', 'another file system is mounted in a layer');
    found.push({ layer, handle: child });
    if (layer.opaque.has(at)) break;
  }
  return found.length === 0 ? undefined : { kind: 'directory', directory: { path: at, parts: found } };
}

function entries({ parts }: MergedDirectory, max: number): SourceEntry[] {
  const merged = new Map<string, SourceEntry | undefined>();
  for (const { handle } of parts) {
    for (const entry of handle.entries(max)) {
      if (merged.has(entry.name)) continue;
      const stats = entry.kind === 'other' ? handle.stat(entry.name) : undefined;
      merged.set(entry.name, stats !== undefined && isWhiteout(stats) ? undefined : entry);
    }
    if (merged.size > max) throw new FileTreeError('too-large', `not read: more than ${String(max)} directory entries`);
  }
  return [...merged.values()].filter((entry) => entry !== undefined);
}

function isWhiteout(stats: { readonly rdev: number; isCharacterDevice: () => boolean }): boolean {
  return stats.isCharacterDevice() && stats.rdev === 0;
}

/** A file of the merged tree; which layer has it is found out when it is asked for. */
class MergedFile implements SourceFile {
  readonly #directory: MergedDirectory;
  readonly #name: string;
  #found: SourceFile | undefined;

  constructor(directory: MergedDirectory, name: string) {
    this.#directory = directory;
    this.#name = name;
  }

  get sizeBytes(): number {
    return this.#file.sizeBytes;
  }

  get mode(): number {
    return this.#file.mode;
  }

  readonly read = (offset: number, length: number): Uint8Array => this.#file.read(offset, length);

  get #file(): SourceFile {
    if (this.#found === undefined) {
      const entry = lookup(this.#directory, this.#name);
      if (entry?.kind !== 'file') throw new FileTreeError('unreadable', 'it is no regular file any more');
      this.#found = entry.file;
    }
    return this.#found;
  }
}
