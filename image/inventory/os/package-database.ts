import type { Detected } from '../detector.ts';
import type { FileTree, TreeFile } from '../file-tree.ts';

/**
 * Reads the package database of one package manager. Databases are at fixed paths, which are looked up with links
 * followed, as the package manager does: a database that is moved behind a link is read all the same.
 */
export interface PackageDatabase {
  /** Name for gaps and progress, such as `dpkg`. */
  readonly name: string;
  /** Whether `detect` may read this path: an archive keeps these files. */
  readonly reads: (path: string) => boolean;
  /** Paths of the databases that the image may have, absolute. Names of files only; bounded. */
  readonly locate: (tree: FileTree) => readonly string[];
  /** Paths of all files that `detect` may read, with those of `locate`; bounded. */
  readonly files: (tree: FileTree) => readonly string[];
  /** Reads one database. Bounded whatever it holds. Throws nothing but what `TreeFile.read` throws. */
  readonly detect: (file: TreeFile, context: DatabaseContext) => Detected;
}

/** What a database is read with. */
export interface DatabaseContext {
  readonly tree: FileTree;
  /** Called for each file that a package owns, absolute as the database names it; absent where nobody asks. */
  readonly onOwned?: (path: string) => void;
}
