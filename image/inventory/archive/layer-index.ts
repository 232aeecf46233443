import type { InventoryGap } from '../../../vulnerability/package.ts';
import { FileTreeError } from '../file-tree.ts';
import type { TreeFile } from '../file-tree.ts';
import { LayerChangeset } from './layer-changeset.ts';
import type { ChangedDirectory, FileNode, IndexLimits } from './layer-changeset.ts';
import type { TarEntry } from './tar-reader.ts';

/** One node of the merged file system of an image. */
export type IndexNode =
  DirectoryNode | FileNode | { readonly kind: 'link'; readonly target: string } | { readonly kind: 'other' };

export interface DirectoryNode {
  readonly kind: 'directory';
  readonly children: Map<string, IndexNode>;
}

export const INDEX_LIMITS: IndexLimits = { maxEntries: 1_000_000, maxDepth: 128 };

const MAX_GAPS = 200;

/** Makes the node of a directory. */
function directoryNode(): DirectoryNode {
  return { kind: 'directory', children: new Map() };
}

/**
 * The file system of an image from its layers, oldest first, as overlayfs merges the directories that engines make of
 * them (overlayfs.rst, "Merged directories" and "whiteouts and opaque directories"). Where engines that unpack layers in
 * another way may show more than that, there is a gap.
 */
export class LayerIndex {
  readonly root = directoryNode();
  readonly gaps: InventoryGap[] = [];
  /** Files that are wanted under the name of a hard link, but whose content was not kept under their first name. */
  readonly late = new Set<FileNode>();
  readonly #limits: IndexLimits;
  readonly #isWanted: (file: Pick<TreeFile, 'path' | 'sizeBytes' | 'mode'>) => boolean;
  #layer: LayerChangeset;
  #entries = 0;

  constructor(isWanted: (file: Pick<TreeFile, 'path' | 'sizeBytes' | 'mode'>) => boolean, limits = INDEX_LIMITS) {
    this.#isWanted = isWanted;
    this.#limits = limits;
    this.#layer = this.#newLayer();
  }

  /** Adds an entry to the layer that is being read. Returns the node whose content is wanted. */
  add(entry: TarEntry): FileNode | undefined {
    this.#entries += 1;
    if (this.#entries > this.#limits.maxEntries)
      throw new FileTreeError('too-large', `the image has more than ${String(this.#limits.maxEntries)} entries`);
    const placed = this.#layer.add(entry, this.#entries);
    if (placed === undefined) return undefined;
    const { path, node } = placed;
    if (!this.#isWanted({ path, sizeBytes: node.sizeBytes, mode: node.mode })) return undefined;
    if (node.entry === this.#entries) return node;
    if (node.content === undefined) this.late.add(node);
    return undefined;
  }

  /** Puts the layer that was read onto the older ones. */
  finishLayer(): void {
    this.#merge(this.root, this.#layer.root, '');
    this.#layer = this.#newLayer();
  }

  #newLayer(): LayerChangeset {
    return new LayerChangeset({
      limits: this.#limits,
      onGap: (path, reason) => this.#gap(path, reason),
      olderFile: (names) => {
        const node = nodeAt(this.root, names);
        return node?.kind === 'file' ? node : undefined;
      },
    });
  }

  /** The depth is bounded by that of the names. */
  #merge(lower: DirectoryNode, upper: ChangedDirectory, path: string): void {
    for (const [name, node] of upper.children) {
      const at = `${path}/${name}`;
      const below = lower.children.get(name);
      switch (node.kind) {
        case 'directory': {
          if (node.isImplied && below?.kind === 'link')
            this.#gap(at, 'a layer places entries below a link of an older one, which some engines follow');
          const merged = below?.kind === 'directory' && !node.isOpaque ? below : directoryNode();
          lower.children.set(name, merged);
          this.#merge(merged, node, at);
          break;
        }
        case 'whiteout':
          lower.children.delete(name);
          break;
        case 'device':
          if (below?.kind === 'directory' || below?.kind === 'file')
            this.#gap(at, 'a device replaces it, which engines without privileges do not make');
          lower.children.set(name, { kind: 'other' });
          break;
        case 'other':
          lower.children.set(name, { kind: 'other' });
          break;
        case 'file':
        case 'link':
          lower.children.set(name, node);
          break;
      }
    }
  }

  #gap(path: string, reason: string): void {
    if (this.gaps.length < MAX_GAPS) this.gaps.push({ path: path.slice(0, 1024), reason });
    else if (this.gaps.length === MAX_GAPS) this.gaps.push({ path: '/', reason: 'further gaps are not listed' });
  }
}

function nodeAt(root: DirectoryNode, names: readonly string[]): IndexNode | undefined {
  let node: IndexNode | undefined = root;
  for (const name of names) node = node?.kind === 'directory' ? node.children.get(name) : undefined;
  return node;
}
