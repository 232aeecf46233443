import type { InventoryGap, SetuidFile, SetuidFiles } from '../../vulnerability/package.ts';
import { FileTreeError } from './file-tree.ts';
import type { TreeFile } from './file-tree.ts';

/** `S_ISUID` and `S_ISGID` of inode(7). */
export const SETUID_BITS = 0o6000;
/** `PATH_MAX` of Linux: no program with a longer path can be started by it. */
const MAX_PATH = 4096;

/**
 * Collects setuid and setgid files during one walk of a tree. Which files are kept beyond the limit follows from the
 * order of the walk, and a gap says that there are more.
 */
export class SetuidCollection {
  readonly #limits: { readonly maxSetuidFiles: number; readonly maxGaps: number };
  readonly #files: SetuidFile[] = [];
  readonly #gaps: InventoryGap[] = [];
  #left = 0;
  #furtherGaps = 0;
  #isFinished = false;

  constructor(limits: { readonly maxSetuidFiles: number; readonly maxGaps: number }) {
    this.#limits = limits;
  }

  /** Looks at one regular file. A mode that cannot be read is a gap. */
  add(file: TreeFile): void {
    try {
      const { path, mode } = file;
      if ((mode & SETUID_BITS) === 0) return;
      if (path.length > MAX_PATH || this.#files.length >= this.#limits.maxSetuidFiles) this.#left += 1;
      else this.#files.push({ path, mode });
    } catch (error) {
      if (!(error instanceof FileTreeError)) throw error;
      this.#addGap({ path: file.path, reason: error.message });
    }
  }

  /** The walk reached its end; `gaps` are what it could not walk. */
  finishWalk(gaps: readonly InventoryGap[]): void {
    for (const gap of gaps) this.#addGap(gap);
    this.#isFinished = true;
  }

  /** What was found. A walk that did not reach its end is a gap. */
  result(): SetuidFiles {
    const gaps = this.#gaps.toSorted((a, b) => compare(a.path, b.path) || compare(a.reason, b.reason));
    if (!this.#isFinished) gaps.push({ path: '/', reason: 'not all files were looked at' });
    if (this.#left > 0)
      gaps.push({ path: '/', reason: `${String(this.#left)} further setuid or setgid files are not listed` });
    if (this.#furtherGaps > 0)
      gaps.push({ path: '/', reason: `${String(this.#furtherGaps)} further gaps are not listed` });
    return { files: this.#files.toSorted((a, b) => compare(a.path, b.path)), gaps };
  }

  #addGap({ path, reason }: InventoryGap): void {
    if (this.#gaps.length < this.#limits.maxGaps) this.#gaps.push({ path: path.slice(0, 1024), reason });
    else this.#furtherGaps += 1;
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
