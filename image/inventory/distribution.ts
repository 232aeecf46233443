import type { Distribution } from '../../vulnerability/package.ts';
import type { FileTree } from './file-tree.ts';

/** Where os-release(5) is looked for, in this order. */
const OS_RELEASE_PATHS: readonly string[] = ['/etc/os-release', '/usr/lib/os-release'];
/** Files of minimal images without os-release. Derivatives of Debian, which have this file too, all have os-release. */
const ALPINE_RELEASE = '/etc/alpine-release';
const DEBIAN_VERSION = '/etc/debian_version';
/** All files that the distribution is read from. */
export const RELEASE_PATHS: readonly string[] = [...OS_RELEASE_PATHS, ALPINE_RELEASE, DEBIAN_VERSION];
const MAX_BYTES = 64 * 1024;
const MAX_VALUE_LENGTH = 128;

/**
 * The distribution of an image from its os-release, or where it has none from the release file of Alpine or Debian;
 * undefined where neither names it. Throws `FileTreeError` where a file cannot be read.
 */
export function readDistribution(tree: FileTree): Distribution | undefined {
  for (const path of OS_RELEASE_PATHS) {
    const file = tree.file(path);
    if (file === undefined) continue;
    const found = parseOsRelease(new TextDecoder().decode(file.read(0, MAX_BYTES)));
    if (found !== undefined) return found;
  }
  if (OS_RELEASE_PATHS.some((path) => tree.file(path) !== undefined)) return undefined;
  return readReleaseFile(tree);
}

/** `3.22.1` of alpine-release, or `12.5` of debian_version; testing and derivatives write names there, such as `trixie/sid`. */
function readReleaseFile(tree: FileTree): Distribution | undefined {
  const textOf = (path: string): string => {
    const file = tree.file(path);
    return file === undefined ? '' : new TextDecoder().decode(file.read(0, MAX_VALUE_LENGTH)).trim();
  };
  const [alpine] = /^\d+\.\d+(?:[._][\da-z_.]+)?$/.exec(textOf(ALPINE_RELEASE)) ?? [];
  if (alpine !== undefined) return { id: 'alpine', versionId: alpine, like: [] };
  const [, debian] = /^(\d{1,3})\.\d{1,3}$/.exec(textOf(DEBIAN_VERSION)) ?? [];
  return debian === undefined ? undefined : { id: 'debian', versionId: debian, like: [] };
}

/** Parses os-release(5): `KEY=value` lines with shell quoting, of which the last one of a key counts. */
export function parseOsRelease(text: string): Distribution | undefined {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const at = line.indexOf('=');
    if (at > 0) values.set(line.slice(0, at).trim(), unquote(line.slice(at + 1).trim()));
  }
  // The values choose the advisories that count, so only what os-release(5) allows in them is taken.
  const wordOf = (key: string): string | undefined => {
    const value = values.get(key);
    return value !== undefined && value.length <= MAX_VALUE_LENGTH && /^[a-zA-Z0-9._~+-]+$/.test(value)
      ? value
      : undefined;
  };
  const id = wordOf('ID')?.toLowerCase();
  if (id === undefined) return undefined;
  const versionId = wordOf('VERSION_ID');
  const codename = wordOf('VERSION_CODENAME');
  const like = (values.get('ID_LIKE') ?? '').slice(0, MAX_VALUE_LENGTH).toLowerCase().split(/\s+/);
  return {
    id,
    ...(versionId !== undefined && { versionId }),
    ...(codename !== undefined && { codename }),
    like: like.filter((word) => /^[a-z0-9._-]+$/.test(word)),
  };
}

function unquote(value: string): string {
  const quote = value[0];
  const isQuoted = value.length >= 2 && (quote === '"' || quote === "'") && value.endsWith(quote);
  return isQuoted ? value.slice(1, -1).replace(/\\(["'$`\\])/g, '$1') : value;
}
