import type { Host } from '../../host/host.ts';
import { NODE_SUBJECT } from '../parse-cache.ts';
import type { ParseCache } from '../parse-cache.ts';
import { readTrusted, statTrusted } from '../trusted-path.ts';
import { readPackagedRelease } from './packaged-release.ts';
import type { PackagedRelease } from './packaged-release.ts';

/** What is known about the program. */
export interface SshdProgram {
  /** `1000` for OpenSSH 10.0, `807` for 8.7; undefined: not known. */
  readonly release: number | undefined;
  /** `OpenSSH_10.0p2 Debian-7+deb13u4`: what `Match version` compares. */
  readonly version: string | undefined;
  /** Where the program itself cannot be read: its package. The release is from there then. */
  readonly packaged?: PackagedRelease;
  /** Does the program hold this word? Keywords and key exchanges that distributions add are such. undefined: not known. */
  readonly holds: (word: string) => boolean | undefined;
}

/** A program about which nothing is known. */
export const UNKNOWN_PROGRAM: SshdProgram = Object.freeze({
  release: undefined,
  version: undefined,
  holds: () => undefined,
});

/** sshd has about 0.6 MB with libraries, and a few linked statically. */
const MAX_PROGRAM_BYTES = 8 * 1024 * 1024;

/** Where distributions install sshd. */
const PATHS = ['/usr/sbin/sshd', '/usr/bin/sshd', '/usr/local/sbin/sshd'];

/**
 * Reads the version of an sshd from the program: at `path`, or where distributions install it. Where the
 * program is there and cannot be read (only root may, or it is too large), its package gives the release.
 */
export async function readProgram(host: Host, cache: ParseCache, path: string | undefined): Promise<SshdProgram> {
  for (const candidate of path === undefined ? PATHS : [path]) {
    const read = await readTrusted(host, candidate, MAX_PROGRAM_BYTES);
    if (read.ok) return cache.parsed(NODE_SUBJECT, candidate, read.value.bytes, parseProgram);
    if (read.code !== 'absent') return packagedProgram(host, candidate);
  }
  return UNKNOWN_PROGRAM;
}

/** A file that others can write, or that is no file, is not what the package installed. */
async function packagedProgram(host: Host, path: string): Promise<SshdProgram> {
  const stat = await statTrusted(host, path);
  const packaged = stat.ok && stat.value.kind === 'file' ? await readPackagedRelease(host, path) : undefined;
  return packaged === undefined ? UNKNOWN_PROGRAM : { ...UNKNOWN_PROGRAM, release: packaged.release, packaged };
}

/** The version in a program, `OpenSSH_10.0p2 Debian-7`; patterns of versions, `OpenSSH_6.6.1*`, have no `p`. */
export function parseProgram(bytes: Buffer): SshdProgram {
  const text = bytes.toString('latin1');
  // A part of `text` would keep all of it in memory.
  const own = (start: number, length: number): string => bytes.toString('latin1', start, start + length);
  const version = /\0OpenSSH_(\d{1,3})\.(\d{1,3})p\d{1,3}(?: [\x20-\x7e]{0,100})?(?=\0)/.exec(text);
  if (version === null) return UNKNOWN_PROGRAM;
  const words = new Set(
    Array.from(
      text.matchAll(/(?<=\0)(?:[A-Za-z0-9]{3,40}|[a-z0-9]{6,40}-sha(?:256|384|512))(?=\0)/g),
      ({ index, 0: word }) => own(index, word.length),
    ),
  );
  return {
    release: Number(version[1]) * 100 + Number(version[2]),
    version: own(version.index + 1, version[0].length - 1),
    holds: (word) => words.has(word),
  };
}
