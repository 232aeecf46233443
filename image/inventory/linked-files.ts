import type { InventoryGap } from '../../vulnerability/package.ts';
import { FileTreeError } from './file-tree.ts';
import type { FileTree, TreeFile } from './file-tree.ts';

/** The last names of a path, from a directory to a file: `[/^node_modules$/, /./, /^package\.json$/]`. */
export type Layout = readonly RegExp[];

/** A file under the path of a link that leads to it. */
export interface LinkedFile {
  /** The path by which it is reached, which is not the one of the file. */
  readonly path: string;
  readonly file: TreeFile;
}

/** Names that are resolved for one image; pnpm makes some 50,000 links for the largest projects. */
const MAX_LOOKUPS = 500_000;

/** Whether a link at this path may lead to a file of one of the layouts. */
export function isLayoutLink(path: string, layouts: readonly Layout[]): boolean {
  const names = lastNames(path, layouts);
  return layouts.some((layout) => layout.some((_, index) => startsLayout(names, layout, index)));
}

/**
 * Finds the files that have one of these layouts only by way of a link, such as `node_modules -> /opt/lib`, a linked
 * directory of a package, or a manifest that is a link. A file that has one of the layouts under its own path is left
 * out, and each file is found once. `links` are paths of symbolic links. Links that lead nowhere, out of the image or in
 * a circle lead to no file.
 */
export function findLinkedFiles(
  tree: FileTree,
  links: Iterable<string>,
  layouts: readonly Layout[],
): { readonly files: readonly LinkedFile[]; readonly gaps: readonly InventoryGap[] } {
  const files = new Map<string, LinkedFile>();
  const gaps: InventoryGap[] = [];
  let lookups = 0;
  const take = (path: string): void => {
    const file = tree.file(path);
    if (file === undefined || files.has(file.path)) return;
    const own = lastNames(file.path, layouts);
    if (!layouts.some((layout) => startsLayout(own, layout, layout.length - 1))) files.set(file.path, { path, file });
  };
  /** Follows the names of a layout that come after those of `path`. */
  const follow = (path: string, rest: Layout): void => {
    lookups += 1;
    if (lookups > MAX_LOOKUPS) throw new FileTreeError('too-large', 'not followed: the image has too many links');
    const [next, ...further] = rest;
    if (next === undefined) take(path);
    else for (const name of tree.list(path)) if (next.test(name)) follow(`${path}/${name}`, further);
  };
  for (const link of links) {
    const names = lastNames(link, layouts);
    try {
      for (const layout of layouts)
        for (const index of layout.keys())
          if (startsLayout(names, layout, index)) follow(link, layout.slice(index + 1));
    } catch (error) {
      if (!(error instanceof FileTreeError) || error.code === 'stopped') throw error;
      gaps.push({ path: link, reason: error.message });
      if (lookups > MAX_LOOKUPS) break;
    }
  }
  return { files: [...files.values()], gaps };
}

/** Are the last names those of a layout up to `index`? */
function startsLayout(names: readonly string[], layout: Layout, index: number): boolean {
  const start = names.length - 1 - index;
  return start >= 0 && layout.slice(0, index + 1).every((pattern, at) => pattern.test(names[start + at] ?? ''));
}

function lastNames(path: string, layouts: readonly Layout[]): readonly string[] {
  return path
    .split('/')
    .slice(1)
    .slice(-Math.max(...layouts.map(({ length }) => length)));
}
