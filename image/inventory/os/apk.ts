import type { InventoryGap, Package } from '../../../vulnerability/package.ts';
import type { Detected } from '../detector.ts';
import type { TreeFile } from '../file-tree.ts';
import { cleanText, isWord, readLines } from './database-lines.ts';
import type { DatabaseContext, PackageDatabase } from './package-database.ts';

/** As apk-tools demands it of a name; that of a virtual package may start with a dot. */
const PACKAGE_NAME = /^[A-Za-z0-9._+-]+$/;
/** The second one since `/lib` is a link into `/usr`. */
const PATHS: readonly string[] = ['/lib/apk/db/installed', '/usr/lib/apk/db/installed'];

/**
 * The installed database of apk-tools 2 and 3, apk-db: one letter, a colon and a value per line, an empty line after
 * each package. `P` name, `V` version, `A` architecture, `o` origin (source package), `m` maintainer; `F` a directory
 * and `R` a file in it, both without a leading slash.
 */
export const apk: PackageDatabase = Object.freeze({
  name: 'apk',
  reads: (path: string) => PATHS.includes(path),
  locate: () => PATHS,
  files: () => PATHS,
  detect,
});

function detect(file: TreeFile, { onOwned }: DatabaseContext): Detected {
  const packages: Package[] = [];
  const gaps: InventoryGap[] = [];
  let malformed = 0;
  let fields = new Map<string, string>();
  let directory = '';
  let hasLines = false;
  const finish = (): void => {
    if (hasLines) {
      const found = packageOf(fields, file.path);
      if (found === undefined) malformed += 1;
      else packages.push(found);
    }
    fields = new Map();
    directory = '';
    hasLines = false;
  };
  for (const line of readLines(file)) {
    if (line.trim() === '') {
      finish();
      continue;
    }
    if (line[1] !== ':') {
      malformed += 1;
      continue;
    }
    hasLines = true;
    const letter = line.slice(0, 1);
    const value = line.slice(2);
    if (letter === 'F') directory = value;
    else if (letter === 'R') onOwned?.(directory === '' ? `/${value}` : `/${directory}/${value}`);
    // A second name: the empty line between two packages is lost.
    else if (letter === 'P' && fields.has('P')) malformed += 1;
    else if ('PVAom'.includes(letter)) fields.set(letter, value);
  }
  finish();
  if (malformed > 0) gaps.push({ path: file.path, reason: `apk: ${String(malformed)} malformed entries` });
  return { packages, gaps };
}

function packageOf(fields: ReadonlyMap<string, string>, path: string): Package | undefined {
  const name = fields.get('P');
  const version = fields.get('V');
  if (!isWord(name) || !PACKAGE_NAME.test(name) || !isWord(version)) return undefined;
  // Virtual packages (`apk add --virtual`) hold nothing but dependencies.
  const architecture = fields.get('A');
  const origin = fields.get('o');
  const vendor = cleanText(fields.get('m'));
  return {
    type: 'apk',
    name,
    version,
    ...(isWord(architecture) && { architecture }),
    ...(isWord(origin) && origin !== name && { source: { name: origin, version } }),
    ...(vendor !== undefined && { vendor }),
    path,
  };
}
