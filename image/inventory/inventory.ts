import type { Distribution, Inventory, InventoryGap, Package } from '../../vulnerability/package.ts';
import type { Detected, Detector } from './detector.ts';
import { RELEASE_PATHS, readDistribution } from './distribution.ts';
import { FileTreeError } from './file-tree.ts';
import type { FileTree, TreeFile } from './file-tree.ts';
import { findLinkedFiles, isLayoutLink } from './linked-files.ts';
import type { Layout, LinkedFile } from './linked-files.ts';
import type { PackageDatabase } from './os/package-database.ts';
import { DETECTORS, PACKAGE_DATABASES } from './registry.ts';
import { SetuidCollection } from './setuid-collection.ts';
import { LIBRARY_LAYOUTS, SystemLibraries } from './system-libraries.ts';
import { compareText } from '../../posture/text-order.ts';

/** Limits of one inventory. What is beyond them is a gap. */
export interface InventoryLimits {
  readonly maxPackages: number;
  readonly maxGaps: number;
  /** Bytes that detectors read, all files together. */
  readonly maxReadBytes: number;
  readonly maxSetuidFiles: number;
}

/** The largest images known to us have about 6,000 packages. */
export const INVENTORY_LIMITS: InventoryLimits = {
  maxPackages: 100_000,
  maxGaps: 500,
  maxReadBytes: 16 * 1024 ** 3,
  // A distribution has about ten to thirty.
  maxSetuidFiles: 1000,
};

/** How an inventory is taken. */
export interface InventoryOptions {
  readonly detectors?: readonly Detector[];
  readonly databases?: readonly PackageDatabase[];
  readonly limits?: InventoryLimits;
  /** Asked before each file: whether the time for this inventory is over. The rest is a gap then. */
  readonly isExpired?: () => boolean;
  /** Called at most once for each 1,000 files of the walk. */
  readonly onProgress?: (progress: InventoryProgress) => void;
}

/** How far an inventory is. */
export interface InventoryProgress {
  readonly files: number;
  readonly packages: number;
}

/** Whether an inventory may read this file: an archive keeps its content. Decides without I/O. */
export function isInventoryFile(file: Pick<TreeFile, 'path' | 'sizeBytes' | 'mode'>): boolean {
  return (
    RELEASE_PATHS.includes(file.path) ||
    PACKAGE_DATABASES.some((database) => database.reads(file.path)) ||
    DETECTORS.some((detector) => detector.matches(file))
  );
}

/** Whether an inventory may follow a symbolic link at this path to the description of a package. */
export function isInventoryLink(path: string): boolean {
  return DETECTORS.some(({ layouts }) => isLayoutLink(path, layouts));
}

/**
 * Lists the packages of an image, and its setuid and setgid files. Walks the tree once and offers each file to each
 * detector, then reads the databases of OS packages. Packages and gaps of languages whose file belongs to an OS package
 * are dropped: the distribution's advisories cover them. Never throws for what the image holds: that is a gap. The
 * order of packages and gaps follows from the image alone.
 */
export function takeInventory(tree: FileTree, options: InventoryOptions = {}): Inventory {
  const { detectors = DETECTORS, databases = PACKAGE_DATABASES, limits = INVENTORY_LIMITS } = options;
  const collection = new Collection(limits, options.isExpired ?? (() => false));
  const counted = countedTree(tree, collection);
  const setuid = new SetuidCollection(limits);
  const libraries = new SystemLibraries();
  const layouts = [...LIBRARY_LAYOUTS, ...detectors.flatMap((detector) => detector.layouts)];
  const links: string[] = [];
  let files = 0;
  collection.attempt('/', '', () => {
    const gaps = tree.walk(
      (file) => {
        files += 1;
        if (files % 1000 === 0) options.onProgress?.({ files, packages: collection.size });
        collection.stopIfExpired();
        setuid.add(file);
        libraries.add(file.path);
        for (const detector of detectors) {
          collection.attempt(file.path, detector.name, () => {
            if (detector.matches(file)) collection.addLanguage(detector.detect(collection.counted(file), counted));
          });
        }
      },
      (path) => {
        if (isLayoutLink(path, layouts)) links.push(path);
      },
    );
    for (const gap of gaps) collection.addGap(gap);
    setuid.finishWalk(gaps);
  });
  followLinks({ tree, counted, links, detectors, libraries, collection });
  const candidates = new Set([...collection.languagePaths(), ...libraries.paths()]);
  let listsFiles = false;
  const owned = new Set<string>();
  for (const database of databases) {
    for (const file of locateOnce(tree, database, collection)) {
      collection.attempt(file.path, database.name, () => {
        const onOwned = (path: string): void => {
          listsFiles = true;
          const candidate = ownedCandidate(tree, candidates, path);
          if (candidate !== undefined) owned.add(candidate);
        };
        const context = { tree: counted, ...(candidates.size > 0 && { onOwned }) };
        collection.addSystem(database.detect(collection.counted(file), context));
      });
    }
  }
  // Without any file list it is not known to which package a file belongs.
  if (listsFiles || !collection.hasSystemPackages) for (const gap of libraries.gaps(owned)) collection.addGap(gap);
  let distribution: Distribution | undefined;
  collection.attempt(RELEASE_PATHS[0] ?? '/', '', () => {
    distribution = readDistribution(tree);
  });
  if (distribution === undefined && collection.hasSystemPackages)
    collection.addGap({ path: '/etc/os-release', reason: 'absent or without a valid ID: the distribution is unknown' });
  if (distribution !== undefined && !collection.hasSystemPackages)
    collection.addGap({
      path: '/etc/os-release',
      reason: `names ${distribution.id}, but no package of it was found: its package database is absent, empty, damaged or not supported`,
    });
  return { ...collection.finish(distribution, owned), setuid: setuid.result() };
}

/** Offers each detector the files that only a link gives the path by which it knows them. */
function followLinks({
  tree,
  counted,
  links,
  detectors,
  libraries,
  collection,
}: {
  readonly tree: FileTree;
  readonly counted: FileTree;
  readonly links: readonly string[];
  readonly detectors: readonly Detector[];
  readonly libraries: SystemLibraries;
  readonly collection: Collection;
}): void {
  const find = (name: string, layouts: readonly Layout[], take: (found: LinkedFile) => void): void =>
    collection.attempt('/', name, () => {
      const { files, gaps } = findLinkedFiles(tree, links, layouts);
      for (const gap of gaps) collection.addGap(gap);
      files.forEach(take);
    });
  find('', LIBRARY_LAYOUTS, ({ path }) => libraries.add(path));
  for (const detector of detectors)
    find(detector.name, detector.layouts, ({ path, file }) =>
      collection.attempt(path, detector.name, () => {
        const linked = collection.counted(file, path);
        if (detector.matches(linked)) collection.addLanguage(detector.detect(linked, counted), file.path);
      }),
    );
}

/** Several paths may lead to one database through links. */
function locateOnce(tree: FileTree, database: PackageDatabase, collection: Collection): TreeFile[] {
  const found = new Map<string, TreeFile>();
  collection.attempt('/', database.name, () => {
    for (const path of database.locate(tree)) {
      collection.attempt(path, database.name, () => {
        const file = tree.file(path);
        if (file !== undefined) found.set(file.path, file);
      });
    }
  });
  return [...found.values()];
}

const MERGED_DIRECTORY = /^\/(?:s?bin|lib(?:32|64|x32)?)\//;

/**
 * The file of a language package that a database names, which may write it as it was before `/bin`, `/sbin` and `/lib`
 * became links into `/usr`. The image itself is asked whether both are the same file.
 */
function ownedCandidate(tree: FileTree, candidates: ReadonlySet<string>, path: string): string | undefined {
  if (candidates.has(path)) return path;
  if (!MERGED_DIRECTORY.test(path) || !candidates.has(`/usr${path}`)) return undefined;
  return tree.file(path)?.path === `/usr${path}` ? `/usr${path}` : undefined;
}

function countedTree(tree: FileTree, collection: Collection): FileTree {
  return {
    ...tree,
    file: (path) => {
      const file = tree.file(path);
      return file === undefined ? undefined : collection.counted(file);
    },
  };
}

/** What has been found so far, within the limits. */
class Collection {
  readonly #languages: Package[] = [];
  readonly #languageGaps: InventoryGap[] = [];
  readonly #system: Package[] = [];
  readonly #gaps: InventoryGap[] = [];
  /** Paths that are links, and the files that they lead to. */
  readonly #behind = new Map<string, string>();
  readonly #limits: InventoryLimits;
  readonly #isExpired: () => boolean;
  #readBytes = 0;
  #furtherGaps = 0;
  #stopped: string | undefined;

  constructor(limits: InventoryLimits, isExpired: () => boolean) {
    this.#limits = limits;
    this.#isExpired = isExpired;
  }

  get size(): number {
    return this.#languages.length + this.#system.length;
  }

  get hasSystemPackages(): boolean {
    return this.#system.length > 0;
  }

  addGap({ path, reason }: InventoryGap): void {
    if (this.#gaps.length < this.#limits.maxGaps) this.#gaps.push({ path: path.slice(0, 1024), reason });
    else this.#furtherGaps += 1;
  }

  /** `behind`: the path of the file, where that of the packages is a link to it. */
  addLanguage({ packages, gaps }: Detected, behind?: string): void {
    if (behind !== undefined) for (const { path } of [...packages, ...gaps]) this.#behind.set(path, behind);
    const room = this.#limits.maxPackages - this.#languageGaps.length;
    this.#languageGaps.push(...gaps.slice(0, Math.max(0, room)));
    this.#add(this.#languages, { packages, gaps: gaps.slice(Math.max(0, room)) });
  }

  /** Files that describe packages of languages, or would. */
  languagePaths(): ReadonlySet<string> {
    return new Set([...[...this.#languages, ...this.#languageGaps].map(({ path }) => path), ...this.#behind.values()]);
  }

  addSystem(detected: Detected): void {
    this.#add(this.#system, detected);
  }

  #add(list: Package[], { packages, gaps }: Detected): void {
    for (const gap of gaps) this.addGap(gap);
    for (const each of packages) {
      if (this.size >= this.#limits.maxPackages)
        this.#stop(`stopped: more than ${String(this.#limits.maxPackages)} packages`);
      list.push(each);
    }
  }

  stopIfExpired(): void {
    if (this.#stopped !== undefined) this.#stop(this.#stopped);
    if (this.#isExpired()) this.#stop('stopped: the time for this image is over');
  }

  #stop(reason: string): never {
    if (this.#stopped === undefined) this.addGap({ path: '/', reason });
    this.#stopped = reason;
    throw new FileTreeError('stopped', reason);
  }

  /** Runs a part of the inventory. What goes wrong in it is a gap and does not end the other parts. */
  attempt(path: string, name: string, part: () => void): void {
    const prefix = name === '' ? '' : `${name}: `;
    try {
      if (this.#stopped === undefined) part();
    } catch (error) {
      if (error instanceof FileTreeError) {
        // The walk itself has to end, too.
        if (error.code === 'stopped' && path !== '/') throw error;
        if (error.code !== 'stopped') this.addGap({ path, reason: `${prefix}${error.message}` });
        return;
      }
      // A bug that a file of the image brings out must not hide the other files of the image.
      const kind = error instanceof Error ? error.name : 'unknown error';
      this.addGap({ path, reason: `${prefix}internal error (${kind}), please report it` });
    }
  }

  /** A file whose reads count against the limit. */
  counted(file: TreeFile, path = file.path): TreeFile {
    const count = (bytes: Uint8Array): Uint8Array => {
      this.#readBytes += bytes.length;
      if (this.#readBytes > this.#limits.maxReadBytes)
        this.#stop(`stopped: more than ${String(this.#limits.maxReadBytes)} bytes to read`);
      return bytes;
    };
    return {
      path,
      get sizeBytes() {
        return file.sizeBytes;
      },
      get mode() {
        return file.mode;
      },
      read: (offset, length) => {
        this.stopIfExpired();
        return count(file.read(offset, length));
      },
    };
  }

  /** `owned`: files of OS packages, which are no packages of languages. */
  finish(distribution: Distribution | undefined, owned: ReadonlySet<string>): Inventory {
    const isOwned = ({ path }: { readonly path: string }): boolean =>
      owned.has(path) || owned.has(this.#behind.get(path) ?? '');
    for (const gap of this.#languageGaps) if (!isOwned(gap)) this.addGap(gap);
    const languages = this.#languages.filter((each) => !isOwned(each));
    const gaps = this.#gaps.toSorted((a, b) => compareText(a.path, b.path) || compareText(a.reason, b.reason));
    if (this.#furtherGaps > 0)
      gaps.push({ path: '/', reason: `${String(this.#furtherGaps)} further gaps are not listed` });
    return {
      ...(distribution !== undefined && { distribution }),
      packages: distinct([...this.#system, ...languages]),
      gaps,
    };
  }
}

/** Sorted by type, name, version, architecture and path; equal ones once. */
function distinct(packages: readonly Package[]): Package[] {
  const keyed = packages.map((each) => ({
    each,
    key: [each.type, each.name, each.version, each.architecture ?? '', each.modularity ?? '', each.path].join('\0'),
  }));
  const sorted = keyed.toSorted((a, b) => compareText(a.key, b.key));
  return sorted.filter(({ key }, index) => key !== sorted[index - 1]?.key).map(({ each }) => each);
}
