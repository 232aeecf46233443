import type { Host } from '../../host/host.ts';
import { readTrusted } from '../trusted-path.ts';

/** What a package database says about the program that a path of it belongs to. */
export interface PackagedRelease {
  /** `1000` for OpenSSH 10.0. */
  readonly release: number;
  /** `openssh-server 1:10.0p1-7+deb13u4` */
  readonly version: string;
  /** The file that says so. */
  readonly source: string;
}

const PACKAGE = 'openssh-server';
/** A status file has about 1 KiB for each package; desktops have some thousand. */
const MAX_DATABASE_BYTES = 32 * 1024 * 1024;
const DPKG = '/var/lib/dpkg';
/** Since apk 3 a system with a merged /usr has it there. */
const APK = ['/lib/apk/db/installed', '/usr/lib/apk/db/installed'];

/**
 * The release of the OpenSSH package that installed `program`, from the database of dpkg or apk. undefined where none
 * of them has the file. Binary databases (rpm) are not read. Root may still have replaced the program by hand.
 */
export async function readPackagedRelease(host: Host, program: string): Promise<PackagedRelease | undefined> {
  return (await fromDpkg(host, program)) ?? (await fromApk(host, program));
}

async function fromDpkg(host: Host, program: string): Promise<PackagedRelease | undefined> {
  const source = `${DPKG}/status`;
  const [status, list, diversions] = await Promise.all([
    readDatabase(host, source),
    readDatabase(host, `${DPKG}/info/${PACKAGE}.list`),
    readDatabase(host, `${DPKG}/diversions`),
  ]);
  // dpkg-divert(1): the file of the package is elsewhere then.
  if (status === undefined || !hasLine(list, program) || hasLine(diversions, program)) return undefined;
  const stanza = stanzaOf(status, `Package: ${PACKAGE}`);
  // deb-control(5); a package that was removed keeps a stanza.
  if (stanza === undefined || !/^Status: \S+ ok installed$/m.test(stanza)) return undefined;
  return toRelease(/^Version: (?:\d+:)?((\d{1,3})\.(\d{1,3})p\d.*)$/m.exec(stanza), source);
}

/** apk-package(5) and its database: `P:` name, `V:` version, `F:` a directory, `R:` a file in it. */
async function fromApk(host: Host, program: string): Promise<PackagedRelease | undefined> {
  const slash = program.lastIndexOf('/');
  for (const source of APK) {
    const database = await readDatabase(host, source);
    const stanza = database === undefined ? undefined : stanzaOf(database, `P:${PACKAGE}`);
    if (stanza === undefined) continue;
    const directories = stanza.split(/^(?=F:)/m);
    const files = directories.find((text) => text.startsWith(`F:${program.slice(1, slash)}\n`));
    if (hasLine(files, `R:${program.slice(slash + 1)}`))
      return toRelease(/^V:((\d{1,3})\.(\d{1,3})_p\d.*)$/m.exec(stanza), source);
  }
  return undefined;
}

function toRelease(match: RegExpExecArray | null, source: string): PackagedRelease | undefined {
  if (match === null) return undefined;
  const release = Number(match[2]) * 100 + Number(match[3]);
  return { release, version: `${PACKAGE} ${match[1] ?? ''}`, source };
}

async function readDatabase(host: Host, path: string): Promise<string | undefined> {
  const read = await readTrusted(host, path, MAX_DATABASE_BYTES);
  return read.ok ? read.value.bytes.toString('utf8') : undefined;
}

/** The paragraph with this line; paragraphs are separated by empty lines. */
function stanzaOf(text: string, line: string): string | undefined {
  const at = `\n${text}`.indexOf(`\n${line}\n`);
  if (at === -1) return undefined;
  const start = text.lastIndexOf('\n\n', at) + 1;
  const end = text.indexOf('\n\n', at);
  return text.slice(start, end === -1 ? undefined : end + 1);
}

function hasLine(text: string | undefined, line: string): boolean {
  return text !== undefined && `\n${text}\n`.includes(`\n${line}\n`);
}
