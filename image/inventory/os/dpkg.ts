import type { InventoryGap, Package } from '../../../vulnerability/package.ts';
import type { Detected } from '../detector.ts';
import type { FileTree, TreeFile } from '../file-tree.ts';
import { cleanText, isWord, readLines } from './database-lines.ts';
import type { DatabaseContext, PackageDatabase } from './package-database.ts';

const STATUS = '/var/lib/dpkg/status';
/** Images without dpkg, such as distroless ones, have one file per package here. */
const STATUS_DIRECTORY = '/var/lib/dpkg/status.d';
const INFO_DIRECTORY = '/var/lib/dpkg/info';
/** Packages that one image may have. */
const MAX_FILES = 20_000;

/** The database of dpkg: deb-control(5) stanzas of `status` and `status.d`, and the file lists of `info`. */
export const dpkg: PackageDatabase = Object.freeze({
  name: 'dpkg',
  reads: (path: string) =>
    path === STATUS ||
    path.startsWith(`${STATUS_DIRECTORY}/`) ||
    (path.startsWith(`${INFO_DIRECTORY}/`) && path.endsWith('.list')),
  locate: (tree: FileTree) => [STATUS, ...filesOf(tree, STATUS_DIRECTORY, (name) => !name.endsWith('.md5sums'))],
  files: (tree: FileTree) => [
    STATUS,
    ...filesOf(tree, STATUS_DIRECTORY, () => true),
    ...filesOf(tree, INFO_DIRECTORY, (name) => name.endsWith('.list')),
  ],
  detect,
});

function filesOf(tree: FileTree, directory: string, isWanted: (name: string) => boolean): string[] {
  return tree
    .list(directory)
    .filter(isWanted)
    .slice(0, MAX_FILES)
    .map((name) => `${directory}/${name}`);
}

function detect(file: TreeFile, context: DatabaseContext): Detected {
  const packages: Package[] = [];
  const gaps: InventoryGap[] = [];
  let malformed = 0;
  let halfInstalled = 0;
  for (const stanza of readStanzas(file)) {
    if (stanza === 'malformed') {
      malformed += 1;
      continue;
    }
    const state = stateOf(stanza.get('status'));
    if (state === 'absent') continue;
    if (state === 'half-installed') {
      halfInstalled += 1;
      continue;
    }
    const found = packageOf(stanza, file.path);
    if (found === undefined) malformed += 1;
    else packages.push(found);
  }
  if (malformed > 0) gaps.push({ path: file.path, reason: `dpkg: ${String(malformed)} malformed entries` });
  if (halfInstalled > 0)
    gaps.push({ path: file.path, reason: `dpkg: ${String(halfInstalled)} packages are half-installed` });
  if (context.onOwned !== undefined) {
    if (file.path.startsWith(`${STATUS_DIRECTORY}/`)) readChecksums(file, context.tree, context.onOwned);
    else readFileLists(packages, context.tree, context.onOwned);
  }
  return { packages, gaps };
}

/** deb-control(5): printable ASCII without blanks and colons. */
const FIELD_NAME = /^[\x21-\x39\x3B-\x7E]+$/;
/** As dpkg demands it of a name. */
const PACKAGE_NAME = /^[A-Za-z0-9][A-Za-z0-9+._-]*$/;

/** Fields that are kept, in lower case as deb-control(5) compares them. */
const FIELDS = new Set(['package', 'status', 'version', 'architecture', 'source', 'maintainer', 'origin']);

/**
 * The fields of each stanza; `malformed` for one without any of them, and beside one with lines that are no fields, as
 * damage and a lost empty line make them: a package may be missing there.
 */
function* readStanzas(file: TreeFile): Generator<ReadonlyMap<string, string> | 'malformed'> {
  let stanza = new Map<string, string>();
  let hasLines = false;
  let isMalformed = false;
  const finish = function* (): Generator<ReadonlyMap<string, string> | 'malformed'> {
    if (isMalformed || (hasLines && stanza.size === 0)) yield 'malformed';
    if (stanza.size > 0) yield stanza;
    stanza = new Map();
    hasLines = isMalformed = false;
  };
  for (const line of readLines(file)) {
    if (line.trim() === '') {
      yield* finish();
      continue;
    }
    hasLines = true;
    // Lines that start with a blank continue the field before, and all fields of interest have one line.
    if (line.startsWith(' ') || line.startsWith('\t')) continue;
    const at = line.indexOf(':');
    const name = line.slice(0, Math.max(0, at)).toLowerCase();
    if (!FIELD_NAME.test(name) || (name === 'package' && stanza.has(name))) isMalformed = true;
    else if (FIELDS.has(name) && !stanza.has(name)) stanza.set(name, line.slice(at + 1).trim());
  }
  yield* finish();
}

/**
 * What the third word of `Status: want flag status` means for the files of the package, dpkg(1). A package that is on
 * hold, or that is to be removed but is not yet, is installed. Distroless images write no status.
 */
function stateOf(status: string | undefined): 'installed' | 'half-installed' | 'absent' {
  const state = status?.split(/\s+/)[2];
  if (state === 'not-installed' || state === 'config-files') return 'absent';
  return state === 'half-installed' ? 'half-installed' : 'installed';
}

function packageOf(stanza: ReadonlyMap<string, string>, path: string): Package | undefined {
  const name = stanza.get('package');
  const version = stanza.get('version');
  if (!isWord(name) || !PACKAGE_NAME.test(name) || !isWord(version)) return undefined;
  const architecture = stanza.get('architecture');
  const source = sourceOf(stanza.get('source'), version);
  const vendor = cleanText(stanza.get('origin') ?? stanza.get('maintainer'));
  return {
    type: 'deb',
    name,
    version,
    ...(isWord(architecture) && { architecture }),
    ...(source !== undefined && (source.name !== name || source.version !== version) && { source }),
    ...(vendor !== undefined && { vendor }),
    path,
  };
}

/** `name` or `name (version)`; without a version it has that of the binary package. */
function sourceOf(field: string | undefined, version: string): { name: string; version: string } | undefined {
  if (field === undefined) return undefined;
  const [, name, ownVersion = version] = /^(\S+)(?:\s+\((\S+)\))?$/.exec(field) ?? [];
  return isWord(name) && isWord(ownVersion) ? { name, version: ownVersion } : undefined;
}

/**
 * `info/NAME.list` or `info/NAME:ARCHITECTURE.list`: one absolute path per line. Only lists of packages that are
 * installed count.
 */
function readFileLists(packages: readonly Package[], tree: FileTree, onOwned: (path: string) => void): void {
  for (const { name, architecture } of packages.slice(0, MAX_FILES)) {
    const file =
      tree.file(`${INFO_DIRECTORY}/${name}.list`) ??
      (architecture === undefined ? undefined : tree.file(`${INFO_DIRECTORY}/${name}:${architecture}.list`));
    if (file !== undefined) for (const line of readLines(file)) onOwned(line);
  }
}

/** `status.d/NAME.md5sums`: a digest, two blanks, and a path without its leading slash. */
function readChecksums(file: TreeFile, tree: FileTree, onOwned: (path: string) => void): void {
  const list = tree.file(`${file.path}.md5sums`);
  if (list === undefined) return;
  for (const line of readLines(list)) {
    const path = line.slice(line.indexOf('  ') + 2);
    onOwned(path.startsWith('/') ? path : `/${path.replace(/^\.\//, '')}`);
  }
}
