import type { Host } from '../host/host.ts';
import { readTrusted } from './trusted-path.ts';

/** A package that installed a file. */
export interface InstalledPackage {
  readonly name: string;
  /** Complete, with epoch and revision: `26.1.5+dfsg1-9+deb13u1`. */
  readonly version: string;
  /** The file that says so. */
  readonly source: string;
}

/** A status file has about 1 KiB for each package; desktops have some thousand. */
const MAX_DATABASE_BYTES = 32 * 1024 * 1024;
const DPKG = '/var/lib/dpkg';

/**
 * Which of the packages `names` of dpkg installed the file `path`; undefined where none of them did, or the database
 * cannot be read. Root may still have replaced the file by hand.
 */
export async function findDpkgPackage(
  host: Host,
  names: readonly string[],
  path: string,
): Promise<InstalledPackage | undefined> {
  const source = `${DPKG}/status`;
  const [status, diversions, ...lists] = await Promise.all([
    readDatabase(host, source),
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
  return version === undefined ? undefined : { name, version, source };
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
