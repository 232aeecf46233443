import type { InventoryGap } from '../../../vulnerability/package.ts';
import { FileTreeError } from '../file-tree.ts';
import type { TreeFile } from '../file-tree.ts';
import type { StoredRange } from './content-store.ts';
import type { TarEntry } from './tar-reader.ts';

/** One node of the merged file system of an image. */
export type IndexNode = DirectoryNode | FileNode | { readonly kind: 'link'; readonly target: string } | OtherNode;

export interface DirectoryNode {
  readonly kind: 'directory';
  readonly children: Map<string, IndexNode>;
}

/** A regular file; hard links share one node. */
export interface FileNode {
  readonly kind: 'file';
  readonly sizeBytes: number;
  readonly mode: number;
  /** The number of its entry, counted over all layers: by it a second reading finds the content. */
  readonly entry: number;
  /** Absent where the content was not kept. */
  content?: StoredRange;
}

interface OtherNode {
  readonly kind: 'other';
}

/** Limits of one image. */
export interface IndexLimits {
  /** Entries of all layers together. */
  readonly maxEntries: number;
  readonly maxDepth: number;
}

export const INDEX_LIMITS: IndexLimits = { maxEntries: 1_000_000, maxDepth: 128 };

/** As the kernel: NAME_MAX and PATH_MAX. */
const MAX_NAME_LENGTH = 255;
const MAX_PATH_LENGTH = 4096;
const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';
/** Names of AUFS for its own bookkeeping. */
const AUFS_PREFIX = '.wh..wh.';
const MAX_GAPS = 200;

/** Makes the node of a directory. */
export function directoryNode(): DirectoryNode {
  return { kind: 'directory', children: new Map() };
}

/**
 * The file system of an image from its layers, oldest first, as the OCI image layout specifies it: an entry replaces the
 * one of older layers, `.wh.NAME` deletes NAME of older layers, and `.wh..wh..opq` all that older layers have in its
 * directory, wherever it is in its own layer. Names that lead out of the image are gaps.
 */
export class LayerIndex {
  readonly root = directoryNode();
  readonly gaps: InventoryGap[] = [];
  readonly #limits: IndexLimits;
  readonly #isWanted: (file: Pick<TreeFile, 'path' | 'sizeBytes' | 'mode'>) => boolean;
  /** Files that are wanted under the name of a hard link, but whose content was not kept under their first name. */
  readonly late = new Set<FileNode>();
  #layer = directoryNode();
  #deleted: string[][] = [];
  #opaque: string[][] = [];
  #entries = 0;

  constructor(isWanted: (file: Pick<TreeFile, 'path' | 'sizeBytes' | 'mode'>) => boolean, limits = INDEX_LIMITS) {
    this.#isWanted = isWanted;
    this.#limits = limits;
  }

  /** Adds an entry to the layer that is being read. Returns the node whose content is wanted. */
  add(entry: TarEntry): FileNode | undefined {
    this.#entries += 1;
    if (this.#entries > this.#limits.maxEntries)
      throw new FileTreeError('too-large', `the image has more than ${String(this.#limits.maxEntries)} entries`);
    const names = this.#namesOf(entry.name);
    if (names === undefined) return undefined;
    const name = names.at(-1);
    // The entry of the root itself.
    if (name === undefined) return undefined;
    const folder = names.slice(0, -1);
    if (name.startsWith(WHITEOUT)) {
      if (name === OPAQUE) this.#opaque.push(folder);
      else if (!name.startsWith(AUFS_PREFIX)) this.#deleted.push([...folder, name.slice(WHITEOUT.length)]);
      return undefined;
    }
    const directory = this.#enter(folder);
    if (directory === undefined) {
      this.#gap(`/${names.join('/')}`, 'the archive places it below an entry that is no directory');
      return undefined;
    }
    return this.#place(directory, names, entry);
  }

  #place(directory: DirectoryNode, names: readonly string[], entry: TarEntry): FileNode | undefined {
    const name = names.at(-1) ?? '';
    const path = `/${names.join('/')}`;
    const { kind, sizeBytes, mode, target } = entry;
    switch (kind) {
      case 'directory':
        if (directory.children.get(name)?.kind !== 'directory') directory.children.set(name, directoryNode());
        return undefined;
      case 'symlink':
        directory.children.set(name, { kind: 'link', target });
        return undefined;
      case 'hardlink': {
        const node = this.#linked(target);
        if (node === undefined) {
          this.#gap(path, 'a hard link leads to no file of the image');
          directory.children.delete(name);
          return undefined;
        }
        directory.children.set(name, node);
        if (node.content === undefined && this.#isWanted({ path, sizeBytes: node.sizeBytes, mode: node.mode }))
          this.late.add(node);
        return undefined;
      }
      case 'sparse':
        this.#gap(path, 'not read: a sparse file of GNU tar');
        directory.children.set(name, { kind: 'other' });
        return undefined;
      case 'other':
        directory.children.set(name, { kind: 'other' });
        return undefined;
      case 'file': {
        const node: FileNode = { kind: 'file', sizeBytes, mode, entry: this.#entries };
        directory.children.set(name, node);
        return this.#isWanted({ path, sizeBytes, mode }) ? node : undefined;
      }
    }
  }

  /** Puts the layer that was read onto the older ones. */
  finishLayer(): void {
    for (const names of this.#opaque) nodeAt(this.root, names)?.children.clear();
    for (const names of this.#deleted) nodeAt(this.root, names.slice(0, -1))?.children.delete(names.at(-1) ?? '');
    overlay(this.root, this.#layer);
    this.#layer = directoryNode();
    this.#deleted = [];
    this.#opaque = [];
  }

  #namesOf(path: string): string[] | undefined {
    const names = path.split('/', MAX_PATH_LENGTH).filter((name) => name !== '' && name !== '.');
    const problem =
      path.length > MAX_PATH_LENGTH || names.some((name) => name.length > MAX_NAME_LENGTH)
        ? 'a name of the archive is too long'
        : names.includes('..')
          ? 'a name of the archive leads out of the image'
          : names.length > this.#limits.maxDepth
            ? `more than ${String(this.#limits.maxDepth)} directories below each other`
            : path.includes('\uFFFD')
              ? 'a name of the archive is not valid UTF-8'
              : undefined;
    if (problem === undefined) return names;
    this.#gap(`/${names.filter((name) => name !== '..').join('/')}`, `not read: ${problem}`);
    return undefined;
  }

  /** The directory of the layer at this path, made where it is absent. */
  #enter(names: readonly string[]): DirectoryNode | undefined {
    let directory = this.#layer;
    for (const name of names) {
      const child = directory.children.get(name);
      if (child === undefined) {
        const made = directoryNode();
        directory.children.set(name, made);
        directory = made;
      } else if (child.kind === 'directory') directory = child;
      else return undefined;
    }
    return directory;
  }

  /** The file that a hard link names: of this layer, or of an older one. */
  #linked(target: string): FileNode | undefined {
    const names = target.split('/', MAX_PATH_LENGTH).filter((name) => name !== '' && name !== '.');
    for (const root of [this.#layer, this.root]) {
      const node = nodeAt(root, names.slice(0, -1))?.children.get(names.at(-1) ?? '');
      if (node?.kind === 'file') return node;
    }
    return undefined;
  }

  #gap(path: string, reason: string): void {
    if (this.gaps.length < MAX_GAPS) this.gaps.push({ path: path.slice(0, 1024), reason });
    else if (this.gaps.length === MAX_GAPS) this.gaps.push({ path: '/', reason: 'further gaps are not listed' });
  }
}

function nodeAt(root: DirectoryNode, names: readonly string[]): DirectoryNode | undefined {
  let directory: DirectoryNode | undefined = root;
  for (const name of names) {
    const child: IndexNode | undefined = directory?.children.get(name);
    directory = child?.kind === 'directory' ? child : undefined;
  }
  return directory;
}

/** The depth is bounded by that of the names. */
function overlay(lower: DirectoryNode, upper: DirectoryNode): void {
  for (const [name, node] of upper.children) {
    const below = lower.children.get(name);
    if (node.kind === 'directory' && below?.kind === 'directory') overlay(below, node);
    else lower.children.set(name, node);
  }
}
