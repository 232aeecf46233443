import type { InventoryGap, Package } from '../../../vulnerability/package.ts';
import type { Detected } from '../detector.ts';
import type { TreeFile } from '../file-tree.ts';
import { cleanText, isWord, readLines } from './database-lines.ts';
import type { PackageDatabase } from './package-database.ts';
import { sourceOfRpm } from './rpm.ts';

const PATHS: readonly string[] = ['/var/lib/rpmmanifest/container-manifest-2'];
const COLUMNS = 10;

/**
 * The list of packages in images of Azure Linux without a package manager ("distroless"), which takes the place of the
 * database of rpm: one package a line, columns separated by tabs, as its image builder
 * (https://github.com/microsoft/marinara) lets rpm print them: name, version-release, time of installation, time of
 * build, vendor, epoch, size, architecture, epoch as a number, source rpm. It does not name the files of a package.
 */
export const rpmManifest: PackageDatabase = Object.freeze({
  name: 'rpm-manifest',
  reads: (path: string) => PATHS.includes(path),
  locate: () => PATHS,
  files: () => PATHS,
  detect,
});

function detect(file: TreeFile): Detected {
  const packages: Package[] = [];
  const gaps: InventoryGap[] = [];
  let malformed = 0;
  for (const line of readLines(file)) {
    if (line.trim() === '') continue;
    const found = packageOf(line.split('\t', COLUMNS + 1), file.path);
    if (found === undefined) malformed += 1;
    else packages.push(found);
  }
  if (malformed > 0) gaps.push({ path: file.path, reason: `rpm-manifest: ${String(malformed)} malformed lines` });
  return { packages, gaps };
}

function packageOf(columns: readonly string[], path: string): Package | undefined {
  const [name, version, , , vendorText, , , architecture, epoch = '', sourceRpm] = columns;
  if (columns.length !== COLUMNS || !isWord(name) || !isWord(version) || !/^\d{1,10}$/.test(epoch)) return undefined;
  const source = sourceOfRpm(sourceRpm);
  const vendor = cleanText(vendorText);
  const isOther = source !== undefined && (source.name !== name || source.version !== version);
  return {
    type: 'rpm',
    name,
    version: `${Number(epoch) > 0 ? `${String(Number(epoch))}:` : ''}${version}`,
    ...(isWord(architecture) && { architecture }),
    ...(isOther && { source }),
    ...(vendor !== undefined && { vendor }),
    path,
  };
}
