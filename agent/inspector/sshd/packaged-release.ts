import type { Host } from '../../host/host.ts';
import { findDpkgPackage, hasLine, readDatabase, stanzaOf } from '../installed-package.ts';

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
  const found = await findDpkgPackage(host, [PACKAGE], program);
  return found && toRelease(/^(?:\d+:)?((\d{1,3})\.(\d{1,3})p\d.*)$/.exec(found.version), found.source);
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
