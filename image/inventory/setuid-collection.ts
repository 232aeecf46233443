import { IMAGE_FILES, MAX_SETUID_FILES } from '../../posture/fact/image.ts';
import type { SetuidFilesFact } from '../../posture/fact/image.ts';
import { seen, unreadable } from '../../posture/observed.ts';
import type { Observed } from '../../posture/observed.ts';
import type { InventoryGap, SetuidFile, SetuidFiles } from '../../vulnerability/package.ts';
import { FileTreeError } from './file-tree.ts';
import type { TreeFile } from './file-tree.ts';
import { compareText } from '../../posture/text-order.ts';

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
    const gaps = this.#gaps.toSorted((a, b) => compareText(a.path, b.path) || compareText(a.reason, b.reason));
    if (!this.#isFinished) gaps.push({ path: '/', reason: 'not all files were looked at' });
    if (this.#left > 0)
      gaps.push({ path: '/', reason: `${String(this.#left)} further setuid or setgid files are not listed` });
    if (this.#furtherGaps > 0)
      gaps.push({ path: '/', reason: `${String(this.#furtherGaps)} further gaps are not listed` });
    return { files: this.#files.toSorted((a, b) => compareText(a.path, b.path)), gaps };
  }

  #addGap({ path, reason }: InventoryGap): void {
    if (this.#gaps.length < this.#limits.maxGaps) this.#gaps.push({ path: path.slice(0, 1024), reason });
    else this.#furtherGaps += 1;
  }
}

/** Characters of all paths in a fact: those of a distribution have some 600. */
const MAX_FACT_CHARACTERS = 16 * 1024;
const MAX_FACT_PATH = 1024;

/** The setuid and setgid files of an inventory as a fact. What exceeds its bounds is counted in `missing`. */
export function setuidFact(setuid: SetuidFiles | undefined): Observed<SetuidFilesFact> {
  if (setuid === undefined) return unreadable(IMAGE_FILES, 'the inventory does not list them');
  let characters = 0;
  const files = setuid.files
    .filter(({ path }) => path.length <= MAX_FACT_PATH && (characters += path.length) <= MAX_FACT_CHARACTERS)
    .slice(0, MAX_SETUID_FILES);
  const left = setuid.files.length - files.length;
  const further = left === 0 ? [] : [{ path: '/', reason: `${String(left)} further files are left out` }];
  const [first, ...more] = [...setuid.gaps, ...further];
  if (first === undefined) return seen({ files, missing: '' }, IMAGE_FILES);
  const rest = more.length === 0 ? '' : ` and ${String(more.length)} more`;
  return seen({ files, missing: `${first.path}: ${first.reason}`.slice(0, 900) + rest }, IMAGE_FILES);
}
