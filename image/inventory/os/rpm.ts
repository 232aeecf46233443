import type { InventoryGap, Package } from '../../../vulnerability/package.ts';
import type { Detected } from '../detector.ts';
import { FileTreeError } from '../file-tree.ts';
import type { FileTree, TreeFile } from '../file-tree.ts';
import { cleanText, isWord } from './database-lines.ts';
import type { DatabaseContext, PackageDatabase } from './package-database.ts';
import { readBdb } from './rpm-bdb.ts';
import { decodeRpmHeader } from './rpm-header.ts';
import type { RpmHeader } from './rpm-header.ts';
import { readNdb } from './rpm-ndb.ts';
import { readSqlite } from './rpm-sqlite.ts';

const DIRECTORIES: readonly string[] = ['/var/lib/rpm', '/usr/lib/sysimage/rpm', '/usr/share/rpm'];
const SQLITE = 'rpmdb.sqlite';
const NDB = 'Packages.db';
const BDB = 'Packages';
const WAL_SUFFIX = '-wal';
const JOURNAL_SUFFIX = '-journal';
const PATHS: readonly string[] = DIRECTORIES.flatMap((directory) =>
  [SQLITE, NDB, BDB].map((name) => `${directory}/${name}`),
);
const READS: ReadonlySet<string> = new Set([
  ...PATHS,
  ...DIRECTORIES.flatMap((directory) => [WAL_SUFFIX, JOURNAL_SUFFIX].map((end) => `${directory}/${SQLITE}${end}`)),
]);

/**
 * The database of rpm in its three formats: SQLite (`rpmdb.sqlite`), ndb (`Packages.db`) and Berkeley DB (`Packages`).
 * An image that has several has all of them read: which one its rpm would use does not follow from the files.
 */
export const rpm: PackageDatabase = Object.freeze({
  name: 'rpm',
  reads: (path: string) => READS.has(path),
  locate: () => PATHS,
  // SQLite looks for its log beside the file that a link leads to.
  files: (tree: FileTree) =>
    PATHS.flatMap((path) => {
      const found = tree.file(path)?.path;
      return found === undefined ? [] : [found, `${found}${WAL_SUFFIX}`, `${found}${JOURNAL_SUFFIX}`];
    }),
  detect,
});

function detect(file: TreeFile, { tree, onOwned }: DatabaseContext): Detected {
  const packages: Package[] = [];
  const gaps: InventoryGap[] = [];
  let malformed = 0;
  const take = (blob: Uint8Array): void => {
    try {
      const header = decodeRpmHeader(blob);
      // Keys that rpm imported are entries of the database, but hold no software.
      if (header.name === 'gpg-pubkey') return;
      const found = packageOf(header, file.path);
      if (found === undefined) malformed += 1;
      else packages.push(found);
      if (onOwned !== undefined && found !== undefined) for (const path of header.files()) onOwned(path);
    } catch (error) {
      if (!(error instanceof FileTreeError) || error.code !== 'damaged') throw error;
      malformed += 1;
    }
  };
  try {
    for (const blob of headersOf(file, tree, gaps)) take(blob);
  } catch (error) {
    // What was read before the damaged place counts, and the rest is a gap.
    if (!(error instanceof FileTreeError) || error.code === 'stopped') throw error;
    gaps.push({ path: file.path, reason: `rpm: ${error.message}` });
  }
  if (malformed > 0) gaps.push({ path: file.path, reason: `rpm: ${String(malformed)} malformed headers` });
  return { packages, gaps };
}

function headersOf(file: TreeFile, tree: FileTree, gaps: InventoryGap[]): Iterable<Uint8Array> {
  // By content: behind a link the file may have any name.
  const magic = new TextDecoder('latin1').decode(file.read(0, 6));
  if (magic === 'SQLite') {
    if ((tree.file(`${file.path}${JOURNAL_SUFFIX}`)?.sizeBytes ?? 0) > 0)
      gaps.push({ path: file.path, reason: 'rpm: a transaction of the database was not finished' });
    return readSqlite(file, tree.file(`${file.path}${WAL_SUFFIX}`));
  }
  return magic.startsWith('RpmP') ? readNdb(file) : readBdb(file);
}

function packageOf(header: RpmHeader, path: string): Package | undefined {
  const { name, version, release, epoch = 0, architecture, modularityLabel } = header;
  if (!isWord(name) || !isWord(version) || !isWord(release)) return undefined;
  const source = sourceOfRpm(header.sourceRpm);
  const vendor = cleanText(header.vendor);
  const isOther = source !== undefined && (source.name !== name || source.version !== `${version}-${release}`);
  return {
    type: 'rpm',
    name,
    version: `${epoch > 0 ? `${String(epoch)}:` : ''}${version}-${release}`,
    ...(isWord(architecture) && { architecture }),
    ...(isOther && { source }),
    ...(isWord(modularityLabel) && { modularity: modularityLabel }),
    ...(vendor !== undefined && { vendor }),
    path,
  };
}

/** Name and version of a source from `name-version-release.src.rpm`; it does not say the epoch. */
export function sourceOfRpm(file: string | undefined): { name: string; version: string } | undefined {
  if (!isWord(file)) return undefined;
  const parts = file.replace(/\.(?:no)?src\.rpm$/, '').split('-');
  const name = parts.slice(0, -2).join('-');
  return name === '' ? undefined : { name, version: parts.slice(-2).join('-') };
}
