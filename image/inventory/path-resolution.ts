/** One directory entry, as link resolution needs it. */
export type PathEntry<D, F> =
  | { readonly kind: 'directory'; readonly directory: D }
  | { readonly kind: 'file'; readonly file: F }
  | { readonly kind: 'link'; readonly target: string }
  /** A device, FIFO, socket or mount. */
  | { readonly kind: 'other' };

/** Where a path leads. `path` is absolute and free of links. */
export type Resolved<D, F> =
  | { readonly kind: 'directory'; readonly directory: D; readonly path: string }
  | { readonly kind: 'file'; readonly file: F; readonly path: string };

/** As the kernel: path_resolution(7), MAXSYMLINKS. */
const MAX_LINKS = 40;
/** As the kernel: PATH_MAX. Also the limit for what links add. */
const MAX_PATH_LENGTH = 4096;

/**
 * Resolves a path inside a root by walking its components, as the kernel does after chroot(2): absolute links start at
 * the root, `..` stops at the root. Returns undefined where nothing is found, for loops, and for paths that are too
 * long. Throws what `lookup` throws.
 */
export function resolveInside<D, F>(
  root: D,
  path: string,
  lookup: (directory: D, name: string) => PathEntry<D, F> | undefined,
): Resolved<D, F> | undefined {
  const pending = componentsOf(path)?.toReversed();
  if (pending === undefined) return undefined;
  const directories: D[] = [];
  const names: string[] = [];
  let links = 0;
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (name === '..') {
      directories.pop();
      names.pop();
      continue;
    }
    const entry = lookup(directories.at(-1) ?? root, name);
    if (entry === undefined || entry.kind === 'other') return undefined;
    if (entry.kind === 'file')
      return pending.length > 0
        ? undefined
        : { kind: 'file', file: entry.file, path: `/${[...names, name].join('/')}` };
    if (entry.kind === 'directory') {
      directories.push(entry.directory);
      names.push(name);
      continue;
    }
    const target = componentsOf(entry.target);
    links += 1;
    if (links > MAX_LINKS || target === undefined) return undefined;
    if (entry.target.startsWith('/')) directories.length = names.length = 0;
    pending.push(...target.toReversed());
  }
  return { kind: 'directory', directory: directories.at(-1) ?? root, path: `/${names.join('/')}` };
}

function componentsOf(path: string): string[] | undefined {
  if (path.length > MAX_PATH_LENGTH || path.includes('\0')) return undefined;
  return path.split('/').filter((name) => name !== '' && name !== '.');
}
