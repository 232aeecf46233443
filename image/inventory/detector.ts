import type { InventoryGap, Package } from '../../vulnerability/package.ts';
import type { FileTree, TreeFile } from './file-tree.ts';
import type { Layout } from './linked-files.ts';

/**
 * Finds the packages of one ecosystem. Detectors are stateless and listed in `registry.ts`. The inventory walks the
 * image once, offers each file to each detector, and drops packages of languages whose files an OS package owns.
 */
export interface Detector {
  /** Name for gaps and progress, such as `npm`. */
  readonly name: string;
  /** Whether the file may describe a package; decides by path, size and mode alone and does no I/O. */
  readonly matches: (file: Pick<TreeFile, 'path' | 'sizeBytes' | 'mode'>) => boolean;
  /** Where files lie that are known by the names above them: a link leads to them as well. Empty: by content alone. */
  readonly layouts: readonly Layout[];
  /**
   * Parses a file that matched. Bounded in time and memory whatever the file holds. What it cannot parse is a gap;
   * throws nothing but what `TreeFile.read` throws.
   */
  readonly detect: (file: TreeFile, tree: FileTree) => Detected;
}

/** What a detector found in one file. */
export interface Detected {
  readonly packages: readonly Package[];
  readonly gaps: readonly InventoryGap[];
}
