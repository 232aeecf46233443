import type { InventoryGap } from '../../vulnerability/package.ts';
import type { Layout } from './linked-files.ts';

/** Shared libraries directly in the directories that the dynamic loader searches, ld.so(8), with Debian's multiarch. */
const LIBRARY = /^\/(?:usr\/)?lib(?:32|64|x32)?(?:\/[a-z0-9_]+-linux-[a-z0-9]+)?\/[^/]+\.so(?:\.[^/]+)?$/;
/** The same by the last names of the path, for a directory of libraries that is a link. */
export const LIBRARY_LAYOUTS: readonly Layout[] = [
  [/^lib(?:32|64|x32)?$/, /\.so(?:\.|$)/],
  [/^lib(?:32|64|x32)?$/, /^[a-z0-9_]+-linux-[a-z0-9]+$/, /\.so(?:\.|$)/],
];
/** A desktop system has about 3,000. */
const MAX_LIBRARIES = 20_000;

/**
 * The shared libraries of the operating system that an image holds. One that no package of the operating system lists
 * has an unknown version: somebody copied it, or removed its package from the database, which would hide its
 * vulnerabilities.
 */
export class SystemLibraries {
  readonly #paths: string[] = [];
  #further = 0;

  /** Takes the path of any regular file of the image; keeps those of system libraries. */
  add(path: string): void {
    if (!path.includes('.so') || !LIBRARY.test(path)) return;
    if (this.#paths.length < MAX_LIBRARIES) this.#paths.push(path);
    else this.#further += 1;
  }

  paths(): readonly string[] {
    return this.#paths;
  }

  /** One gap for each directory with libraries that are not in `owned`, sorted by directory. */
  gaps(owned: ReadonlySet<string>): readonly InventoryGap[] {
    const directories = new Map<string, string[]>();
    for (const path of this.#paths) {
      if (owned.has(path)) continue;
      const at = path.lastIndexOf('/');
      const names = directories.get(path.slice(0, at));
      if (names === undefined) directories.set(path.slice(0, at), [path.slice(at + 1)]);
      else names.push(path.slice(at + 1));
    }
    const gaps = [...directories].map(([path, names]) => ({ path, reason: reasonOf(names.toSorted()) }));
    if (this.#further > 0)
      gaps.push({ path: '/', reason: `${String(this.#further)} further shared libraries were not looked up` });
    return gaps.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  }
}

function reasonOf(names: readonly string[]): string {
  const [first = ''] = names;
  if (names.length === 1) return `no package of the operating system lists the shared library ${first}`;
  return `no package of the operating system lists ${String(names.length)} shared libraries, such as ${first}`;
}
