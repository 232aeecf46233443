import type { StoredRange } from './content-store.ts';
import type { TarEntry } from './tar-reader.ts';

/** A regular file; hard links share one node. */
export interface FileNode {
  readonly kind: 'file';
  readonly sizeBytes: number;
  /** That of the last entry which names the file: unpacking a hard link sets the mode of the file that it leads to. */
  mode: number;
  /** The number of its entry, counted over all layers: by it a second reading finds the content. */
  readonly entry: number;
  /** Absent where the content was not kept. */
  content?: StoredRange;
}

/** A directory of one layer. */
export interface ChangedDirectory {
  readonly kind: 'directory';
  readonly children: Map<string, ChangedNode>;
  /** Hides the directory of older layers instead of merging with it. */
  isOpaque: boolean;
  /** The layer has no entry of its own for it. */
  isImplied: boolean;
}

/** What a layer says about one name. */
export type ChangedNode =
  | ChangedDirectory
  | FileNode
  | { readonly kind: 'link'; readonly target: string }
  /** `whiteout` deletes the entry of older layers; `device` is a block or character device. */
  | { readonly kind: 'whiteout' | 'device' | 'other' };

/** Limits of one image. */
export interface IndexLimits {
  /** Entries of all layers together. */
  readonly maxEntries: number;
  readonly maxDepth: number;
}

/** What a changeset needs of the image that it belongs to. */
export interface ChangesetContext {
  readonly limits: IndexLimits;
  /** Called where engines disagree about an entry, or refuse it. */
  readonly onGap: (path: string, reason: string) => void;
  /** A file of older layers, for a hard link that leads to none of its own layer. */
  readonly olderFile: (names: readonly string[]) => FileNode | undefined;
}

/** The file that an entry placed, and where. */
export interface PlacedFile {
  readonly path: string;
  readonly node: FileNode;
}

/** As the kernel: NAME_MAX and PATH_MAX. */
const MAX_NAME_LENGTH = 255;
const MAX_PATH_LENGTH = 4096;
const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';
const WHITEOUT_NODE: ChangedNode = { kind: 'whiteout' };

/**
 * The directory that dockerd, containerd, Podman and CRI-O make of one layer for overlayfs. They process the entries in
 * order: `.wh.NAME` makes a whiteout NAME, `.wh..wh..opq` makes its directory opaque, and every other entry replaces what
 * its name was before, but for a directory in place of a directory. A directory that takes the place of a whiteout, or
 * that is removed and made again, is therefore an ordinary one, through which older layers are seen.
 */
export class LayerChangeset {
  readonly root: ChangedDirectory = newDirectory();
  readonly #context: ChangesetContext;

  constructor(context: ChangesetContext) {
    this.#context = context;
  }

  /** Adds an entry, the `number`th of the image. Returns the file that it is or links to. */
  add(entry: TarEntry, number: number): PlacedFile | undefined {
    const names = this.#namesOf(entry.name);
    const name = names?.at(-1);
    // The entry of the root itself, or one that is a gap.
    if (names === undefined || name === undefined) return undefined;
    const path = `/${names.join('/')}`;
    if (entry.hasOverlayAttributes)
      this.#context.onGap(path, 'has an attribute of overlayfs, by which engines show other files than the layer has');
    const parents = names.slice(0, -1);
    if (name.startsWith(WHITEOUT)) {
      this.#mark(parents, name, path);
      return undefined;
    }
    const directory = this.#enter(parents, path);
    return directory === undefined ? undefined : this.#place(directory, { name, path }, entry, number);
  }

  /** A whiteout or the mark of an opaque directory. */
  #mark(parents: readonly string[], name: string, path: string): void {
    // Below a whiteout there is nothing left to delete, and Podman ignores it.
    if (parents.some((_, at) => nodeAt(this.root, parents.slice(0, at + 1))?.kind === 'whiteout')) return;
    const directory = this.#enter(parents, path);
    if (directory === undefined) return;
    if (name === OPAQUE) {
      // overlayfs does not read the attribute of the root of a layer.
      if (directory !== this.root) directory.isOpaque = true;
      return;
    }
    const deleted = name.slice(WHITEOUT.length);
    if (deleted === '' || deleted === '.' || deleted === '..')
      return this.#context.onGap(path, 'not read: a whiteout without a name');
    const found = directory.children.get(deleted);
    if (found === undefined) directory.children.set(deleted, WHITEOUT_NODE);
    else if (found.kind !== 'whiteout')
      this.#context.onGap(path, 'a whiteout of an entry of its own layer, which engines refuse');
  }

  #place(
    directory: ChangedDirectory,
    { name, path }: { readonly name: string; readonly path: string },
    { kind, sizeBytes, mode, target }: TarEntry,
    number: number,
  ): PlacedFile | undefined {
    const { children } = directory;
    switch (kind) {
      case 'directory': {
        const found = children.get(name);
        if (found?.kind === 'directory') found.isImplied = false;
        else children.set(name, newDirectory());
        return undefined;
      }
      case 'symlink':
        children.set(name, { kind: 'link', target });
        return undefined;
      case 'hardlink':
        return this.#link(children, { name, path }, target, mode);
      case 'sparse':
        this.#context.onGap(path, 'not read: a sparse file of GNU tar');
        children.set(name, { kind: 'other' });
        return undefined;
      case 'device':
      case 'other':
        children.set(name, { kind });
        return undefined;
      case 'file': {
        const node: FileNode = { kind: 'file', sizeBytes, mode, entry: number };
        children.set(name, node);
        return { path, node };
      }
    }
  }

  /** A hard link is one to what its target is at this point, also to a whiteout or a symbolic link. */
  #link(
    children: Map<string, ChangedNode>,
    { name, path }: { readonly name: string; readonly path: string },
    target: string,
    mode: number,
  ): PlacedFile | undefined {
    const names = namesIn(target);
    const own = nodeAt(this.root, names);
    const node = own ?? this.#context.olderFile(names);
    if (node === undefined || node.kind === 'directory') {
      this.#context.onGap(path, 'a hard link leads to no file of the image');
      children.delete(name);
      return undefined;
    }
    children.set(name, node);
    if (node.kind !== 'file') return undefined;
    // overlayfs has no links between layers. Engines that unpack all layers into one directory do.
    node.mode = own === undefined ? node.mode | mode : mode;
    return { path, node };
  }

  #namesOf(path: string): string[] | undefined {
    const { maxDepth } = this.#context.limits;
    const names = namesIn(path);
    const problem =
      path.length > MAX_PATH_LENGTH || names.some((name) => name.length > MAX_NAME_LENGTH)
        ? 'a name of the archive is too long'
        : names.includes('..')
          ? 'a name of the archive leads out of the image'
          : names.length > maxDepth
            ? `more than ${String(maxDepth)} directories below each other`
            : path.includes('\uFFFD')
              ? 'a name of the archive is not valid UTF-8'
              : undefined;
    if (problem === undefined) return names;
    this.#context.onGap(`/${names.filter((name) => name !== '..').join('/')}`, `not read: ${problem}`);
    return undefined;
  }

  /** The directory at this path, made where it is absent. Engines follow a link there, which is not done here. */
  #enter(names: readonly string[], path: string): ChangedDirectory | undefined {
    let directory = this.root;
    for (const name of names) {
      const child = directory.children.get(name);
      if (child?.kind === 'directory') {
        directory = child;
        continue;
      }
      if (child !== undefined && child.kind !== 'whiteout') {
        this.#context.onGap(path, 'the archive places it below an entry that is no directory');
        return undefined;
      }
      if (child !== undefined)
        this.#context.onGap(path, 'the archive places it below a directory that the same layer deletes');
      const made = newDirectory();
      made.isImplied = true;
      directory.children.set(name, made);
      directory = made;
    }
    return directory;
  }
}

function newDirectory(): ChangedDirectory {
  return { kind: 'directory', children: new Map(), isOpaque: false, isImplied: false };
}

function namesIn(path: string): string[] {
  return path.split('/', MAX_PATH_LENGTH).filter((name) => name !== '' && name !== '.');
}

function nodeAt(root: ChangedDirectory, names: readonly string[]): ChangedNode | undefined {
  let node: ChangedNode | undefined = root;
  for (const name of names) node = node?.kind === 'directory' ? node.children.get(name) : undefined;
  return node;
}
