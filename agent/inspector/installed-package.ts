import { absent, seen, unreadable } from '../../posture/observed.ts';
import type { Observed } from '../../posture/observed.ts';
import type { InstalledPackage } from '../../posture/fact/docker.ts';
import type { Host } from '../host/host.ts';
import { clip } from './clip.ts';
import { NODE_SUBJECT } from './parse-cache.ts';
import type { CachedHost, CacheKey } from './parse-cache.ts';
import { unseen } from './read-text.ts';
import { readTrusted, statTrusted } from './trusted-path.ts';

/** A package that installed a file, and the file that says so. */
interface FoundPackage extends InstalledPackage {
  readonly source: string;
}

/** A status file has about 1 KiB for each package; desktops have some thousand. */
const MAX_DATABASE_BYTES = 32 * 1024 * 1024;
const DPKG = '/var/lib/dpkg';
const DPKG_STATUS = `${DPKG}/status`;
/** Databases of rpm and apk, which are not read for this. */
const OTHER_DATABASES = ['/var/lib/rpm', '/usr/lib/sysimage/rpm', '/lib/apk/db/installed', '/usr/lib/apk/db/installed'];

/** What was found in a database of packages, and the state that the database had. */
interface StampedPackage {
  readonly stamp: string;
  readonly value: Observed<InstalledPackage>;
}

/**
 * Which of the packages `names` installed the program `executable`, by the database of dpkg; absent where none of them
 * did. unreadable on a host with another database. It is read again when the database has changed.
 */
export async function readInstalledPackage(
  { host, cache }: CachedHost,
  names: readonly string[],
  executable: string,
): Promise<Observed<InstalledPackage>> {
  const key: CacheKey<StampedPackage> = { name: `package of ${executable}` };
  const stats = await Promise.all([DPKG_STATUS, `${DPKG}/diversions`].map((path) => host.stat(path)));
  // The database has megabytes, and changes when a package is installed.
  const stamp = JSON.stringify(stats);
  const known = cache.get(NODE_SUBJECT, key);
  if (known?.stamp === stamp) return known.value;
  const value = await findPackage(host, names, executable);
  cache.set(NODE_SUBJECT, key, { stamp, value });
  return value;
}

async function findPackage(
  host: Host,
  names: readonly string[],
  executable: string,
): Promise<Observed<InstalledPackage>> {
  const found = await findDpkgPackage(host, names, executable);
  if (found !== undefined)
    return seen({ name: clip(found.name, 128), version: clip(found.version, 256) }, found.source);
  for (const path of OTHER_DATABASES)
    if ((await host.stat(path)).ok) return unreadable(path, 'this database of packages is not read');
  const status = await statTrusted(host, DPKG_STATUS);
  if (status.ok || status.code === 'absent') return absent(DPKG_STATUS);
  return unseen(status, DPKG_STATUS);
}

/**
 * Which of the packages `names` of dpkg installed the file `path`; undefined where none of them did, or the database
 * cannot be read. Root may still have replaced the file by hand.
 */
export async function findDpkgPackage(
  host: Host,
  names: readonly string[],
  path: string,
): Promise<FoundPackage | undefined> {
  const [status, diversions, ...lists] = await Promise.all([
    readDatabase(host, DPKG_STATUS),
    readDatabase(host, `${DPKG}/diversions`),
    ...names.map((name) => readDatabase(host, `${DPKG}/info/${name}.list`)),
  ]);
  // dpkg-divert(1): the file of the package is elsewhere then.
  if (status === undefined || hasLine(diversions, path)) return undefined;
  const name = names.find((_, index) => hasLine(lists[index], path));
  const stanza = name === undefined ? undefined : stanzaOf(status, `Package: ${name}`);
  // deb-control(5); a package that was removed keeps a stanza.
  if (name === undefined || stanza === undefined || !/^Status: \S+ ok installed$/m.test(stanza)) return undefined;
  const version = /^Version: (\S{1,256})$/m.exec(stanza)?.[1];
  return version === undefined ? undefined : { name, version, source: DPKG_STATUS };
}

/** The text of a database of packages that only root can change; undefined where it cannot be read. */
export async function readDatabase(host: Host, path: string): Promise<string | undefined> {
  const read = await readTrusted(host, path, MAX_DATABASE_BYTES);
  return read.ok ? read.value.bytes.toString('utf8') : undefined;
}

/** The paragraph with this line; paragraphs are separated by empty lines. */
export function stanzaOf(text: string, line: string): string | undefined {
  const at = `\n${text}`.indexOf(`\n${line}\n`);
  if (at === -1) return undefined;
  const start = text.lastIndexOf('\n\n', at) + 1;
  const end = text.indexOf('\n\n', at);
  return text.slice(start, end === -1 ? undefined : end + 1);
}

/** Whether the text has this line; undefined has none. */
export function hasLine(text: string | undefined, line: string): boolean {
  return text !== undefined && `\n${text}\n`.includes(`\n${line}\n`);
}
