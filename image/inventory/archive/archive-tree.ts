import { createHash } from 'node:crypto';
import { RELEASE_PATHS } from '../distribution.ts';
import { FileTreeError } from '../file-tree.ts';
import type { OpenFileTree } from '../file-tree.ts';
import { isInventoryFile, isInventoryLink } from '../inventory.ts';
import { resolveInside } from '../path-resolution.ts';
import type { PathEntry } from '../path-resolution.ts';
import { findLinkedFiles } from '../linked-files.ts';
import { DETECTORS, PACKAGE_DATABASES } from '../registry.ts';
import { createSourceTree } from '../source-tree.ts';
import type { SourceEntry, SourceFile } from '../source-tree.ts';
import { openArchiveBlobs } from './archive-blobs.ts';
import { ContentStore } from './content-store.ts';
import type { StoredRange } from './content-store.ts';
import { decompress, EXPANSION_LIMITS } from './decompression.ts';
import type { ExpansionLimits } from './decompression.ts';
import { findImage } from './image-manifest.ts';
import type { ArchivedImage, ImageChoice } from './image-manifest.ts';
import type { FileNode, IndexLimits } from './layer-changeset.ts';
import { INDEX_LIMITS, LayerIndex } from './layer-index.ts';
import type { DirectoryNode, IndexNode } from './layer-index.ts';
import { TarReader } from './tar-reader.ts';
import type { TarContent } from './tar-reader.ts';

/** How an archive is read. */
export interface ArchiveOptions extends ImageChoice {
  /** Where the content that is looked at is kept meanwhile, in a file without a name. */
  readonly temporaryDirectory: string;
  readonly limits?: Partial<ArchiveLimits>;
  /** Asked before each piece of a layer: whether the time is over. */
  readonly isExpired?: () => boolean;
  /** Called with the number of layers that have been read, and of all. */
  readonly onProgress?: (layers: number, ofLayers: number) => void;
}

/** Limits of one archive. */
export interface ArchiveLimits extends IndexLimits, ExpansionLimits {
  /** Content that is kept. */
  readonly maxStoredBytes: number;
  /** All layers together, decompressed. */
  readonly maxTotalBytes: number;
}

const ARCHIVE_LIMITS: ArchiveLimits = {
  ...INDEX_LIMITS,
  ...EXPANSION_LIMITS,
  maxStoredBytes: 4 * 1024 ** 3,
  maxTotalBytes: 64 * 1024 ** 3,
};

/** A tree of an archive, or why it is refused. */
export type OpenedArchive =
  | { readonly ok: true; readonly tree: OpenFileTree; readonly imageId: string }
  | { readonly ok: false; readonly reason: string };

/**
 * Opens the image of an archive (`docker save`, OCI image layout; tar, compressed tar or directory). Reads all layers
 * once, checks each against the digest that the configuration has for it, merges them, and keeps the content of the
 * files that an inventory looks at. An archive that breaks its format, its digests or a limit is refused as a whole,
 * since what it then holds is unknown.
 */
export async function openArchiveTree(path: string, options: ArchiveOptions): Promise<OpenedArchive> {
  const limits = { ...ARCHIVE_LIMITS, ...options.limits };
  let store: ContentStore | undefined;
  try {
    const blobs = await openArchiveBlobs(path, options.temporaryDirectory);
    try {
      const found = findImage(blobs, options);
      if (!found.ok) return { ok: false, reason: `the archive is refused: ${found.reason}` };
      store = new ContentStore(options.temporaryDirectory, limits.maxStoredBytes);
      const index = await readImage(found.image, store, { options, limits });
      return { ok: true, tree: treeOf(index, store), imageId: found.image.id };
    } finally {
      blobs.close();
    }
  } catch (error) {
    store?.close();
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
    if (error instanceof FileTreeError) return { ok: false, reason: `the archive cannot be read: ${error.message}` };
    if (code === undefined || !/^E[A-Z0-9]+$/.test(code)) throw error;
    return { ok: false, reason: `the archive cannot be read: ${code}` };
  }
}

interface Reading {
  readonly options: ArchiveOptions;
  readonly limits: ArchiveLimits;
}

async function readImage(image: ArchivedImage, store: ContentStore, reading: Reading): Promise<LayerIndex> {
  const { options, limits } = reading;
  const index = new LayerIndex(isInventoryFile, limits);
  let total = 0;
  for (const [number, { blob, diffId }] of image.layers.entries()) {
    const hash = createHash('sha256');
    const reader = new TarReader((entry) => keep(index.add(entry), store), { ...limits, maxHeaderBytes: 1024 * 1024 });
    for await (const chunk of decompress(blob, limits)) {
      if (options.isExpired?.() === true) throw new FileTreeError('stopped', 'the time for this image is over');
      total += chunk.length;
      if (total > limits.maxTotalBytes) throw new FileTreeError('too-large', 'its layers are too large');
      hash.update(chunk);
      reader.write(chunk);
    }
    reader.end();
    if (`sha256:${hash.digest('hex')}` !== diffId)
      throw new FileTreeError('damaged', `layer ${String(number + 1)} does not have its digest`);
    index.finishLayer();
    options.onProgress?.(number + 1, image.layers.length);
  }
  await readLate(image, index, store, reading);
  return index;
}

/**
 * Reads once more what is wanted under another name than that of its first entry: by a hard link, or because a package
 * database or the description of a package lies behind a link.
 */
async function readLate(
  image: ArchivedImage,
  index: LayerIndex,
  store: ContentStore,
  { options, limits }: Reading,
): Promise<void> {
  const tree = treeOf(index, store);
  const nodes = new Map<number, FileNode>();
  for (const node of index.late) if (node.content === undefined) nodes.set(node.entry, node);
  const links: string[] = [];
  tree.walk(
    () => undefined,
    (path) => {
      if (isInventoryLink(path)) links.push(path);
    },
  );
  const linked = DETECTORS.flatMap(({ layouts }) => findLinkedFiles(tree, links, layouts).files);
  const fixed = [...RELEASE_PATHS, ...PACKAGE_DATABASES.flatMap((database) => database.files(tree))];
  for (const path of [...fixed, ...linked.map(({ file }) => file.path)]) {
    const node = tree.node(path);
    if (node !== undefined && node.content === undefined) nodes.set(node.entry, node);
  }
  if (nodes.size === 0) return;
  let entries = 0;
  for (const { blob } of image.layers) {
    const reader = new TarReader(
      () => {
        entries += 1;
        return keep(nodes.get(entries), store);
      },
      { ...limits, maxHeaderBytes: 1024 * 1024 },
    );
    for await (const chunk of decompress(blob, limits)) {
      if (options.isExpired?.() === true) throw new FileTreeError('stopped', 'the time for this image is over');
      reader.write(chunk);
    }
  }
}

function keep(node: FileNode | undefined, store: ContentStore): TarContent | undefined {
  if (node === undefined) return undefined;
  const offset = store.length;
  return {
    write: (bytes) => store.append(bytes),
    end: () => {
      node.content = { offset, length: store.length - offset };
    },
  };
}

interface IndexedTree extends OpenFileTree {
  readonly node: (path: string) => FileNode | undefined;
}

function treeOf(index: LayerIndex, store: ContentStore): IndexedTree {
  const lookup = (directory: DirectoryNode, name: string): PathEntry<DirectoryNode, FileNode> | undefined => {
    const node = directory.children.get(name);
    if (node?.kind === 'directory') return { kind: 'directory', directory: node };
    return node?.kind === 'file' ? { kind: 'file', file: node } : node;
  };
  const tree = createSourceTree<DirectoryNode>({
    root: index.root,
    entries: ({ children }, max) => {
      if (children.size > max)
        throw new FileTreeError('too-large', `not read: more than ${String(max)} directory entries`);
      return [...children].map(([name, { kind }]): SourceEntry => ({ name, kind }));
    },
    enter: (directory, name) => {
      const node = directory.children.get(name);
      return node?.kind === 'directory' ? { ok: true, directory: node } : { ok: false, gap: 'is no directory' };
    },
    file: (directory, name) => {
      const node: IndexNode | undefined = directory.children.get(name);
      return new IndexedFile(node?.kind === 'file' ? node : ABSENT, store);
    },
    lookup: (directory, name) => {
      const entry = lookup(directory, name);
      return entry?.kind === 'file' ? { kind: 'file', file: new IndexedFile(entry.file, store) } : entry;
    },
  });
  return {
    ...tree,
    walk: (visit, onLink) => [...index.gaps, ...tree.walk(visit, onLink)],
    node: (path) => {
      const found = resolveInside(index.root, path, lookup);
      return found?.kind === 'file' ? found.file : undefined;
    },
    close: () => store.close(),
  };
}

const ABSENT: FileNode = { kind: 'file', sizeBytes: 0, mode: 0, entry: 0 };

class IndexedFile implements SourceFile {
  readonly #node: FileNode;
  readonly #store: ContentStore;

  constructor(node: FileNode, store: ContentStore) {
    this.#node = node;
    this.#store = store;
  }

  get sizeBytes(): number {
    return this.#node.sizeBytes;
  }

  get mode(): number {
    return this.#node.mode;
  }

  readonly read = (offset: number, length: number): Uint8Array => {
    const { content } = this.#node;
    if (content === undefined) {
      if (this.#node.sizeBytes === 0) return new Uint8Array(0);
      throw new FileTreeError('unreadable', 'its content was not kept, since its name gave no reason to');
    }
    const range: StoredRange = {
      offset: content.offset + offset,
      length: Math.max(0, Math.min(length, content.length - offset)),
    };
    return this.#store.read(range);
  };
}
