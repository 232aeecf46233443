import { entries, field, isObject, parseJson } from './manifest-content.ts';

/** A package that a lock file names; both values are untrusted. */
export interface LockEntry {
  readonly name: unknown;
  readonly version: unknown;
}

/** The registry packages of a lock file, or why it could not be read. */
export type LockFile =
  { readonly ok: true; readonly entries: readonly LockEntry[] } | { readonly ok: false; readonly reason: string };

/** Nested `dependencies` of lock file version 1 beyond this are hostile: npm nests a dozen levels at most. */
const MAX_DEPTH = 100;
const MAX_LINE_LENGTH = 64 * 1024;
const LONG_LINE: LockFile = { ok: false, reason: `has a line longer than ${String(MAX_LINE_LENGTH)} characters` };

/**
 * `package-lock.json` and `npm-shrinkwrap.json` of versions 1, 2 and 3: what is installed in production, without the
 * root, workspaces, links and entries that only development needs. https://docs.npmjs.com/cli/configuring-npm/package-lock-json
 */
export function packageLockEntries(text: string): LockFile {
  const parsed = parseJson(text);
  if (!parsed.ok) return parsed;
  const packages = field(parsed.value, 'packages');
  if (isObject(packages)) return { ok: true, entries: installedEntries(packages) };
  const dependencies = field(parsed.value, 'dependencies');
  if (dependencies === undefined && field(parsed.value, 'lockfileVersion') !== undefined)
    return { ok: true, entries: [] };
  if (!isObject(dependencies)) return { ok: false, reason: 'has neither packages nor dependencies' };
  return nestedEntries(dependencies);
}

/** Keys are paths such as `node_modules/a/node_modules/@b/c`; keys without `node_modules` are local directories. */
function installedEntries(packages: unknown): readonly LockEntry[] {
  const found: LockEntry[] = [];
  for (const [path, entry] of entries(packages)) {
    const start = path.lastIndexOf('node_modules/');
    if (start === -1 || field(entry, 'link') === true || field(entry, 'dev') === true) continue;
    if (field(entry, 'extraneous') === true) continue;
    // An entry has a name of its own where it is installed under an alias.
    const name = field(entry, 'name') ?? path.slice(start + 'node_modules/'.length);
    found.push({ name, version: field(entry, 'version') });
  }
  return found;
}

function nestedEntries(root: unknown): LockFile {
  const found: LockEntry[] = [];
  let level: readonly unknown[] = [root];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > MAX_DEPTH)
      return { ok: false, reason: `nests dependencies more than ${String(MAX_DEPTH)} levels deep` };
    const next: unknown[] = [];
    for (const [key, entry] of level.flatMap((each) => entries(each))) {
      if (field(entry, 'dev') === true) continue;
      const version = field(entry, 'version');
      found.push(typeof version === 'string' ? versionOneEntry(key, version) : { name: key, version });
      const nested = field(entry, 'dependencies');
      if (isObject(nested)) next.push(nested);
    }
    level = next;
  }
  return { ok: true, entries: found.filter(({ version }) => version !== undefined) };
}

/** An alias is `npm:NAME@VERSION`; a version with another scheme is an address, a directory or a git commit. */
function versionOneEntry(key: string, version: string): LockEntry {
  if (!version.startsWith('npm:')) return { name: key, version: version.includes(':') ? undefined : version };
  const at = version.lastIndexOf('@');
  return { name: version.slice('npm:'.length, at), version: version.slice(at + 1) };
}

/**
 * `yarn.lock` of Yarn 1 and of later versions. Each block starts with its descriptors at the start of a line and has an
 * indented `version`; later versions also have a `resolution` such as `"name@npm:1.0.0"`. Workspaces are left out. A
 * yarn.lock does not tell development dependencies apart.
 */
export function yarnLockEntries(text: string): LockFile {
  const found: LockEntry[] = [];
  let block: { descriptor: string; version?: string; resolution?: string } | undefined;
  const finish = (): void => {
    if (block === undefined || block.descriptor.startsWith('__metadata')) return;
    const { resolution, version } = block;
    if (/@(?:workspace|link|portal|file):/.test(resolution ?? block.descriptor)) return;
    found.push({ name: descriptorName(resolution ?? block.descriptor), version });
  };
  for (const line of text.split('\n')) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    // What is on it is not known: it may be the name of a package.
    if (line.length > MAX_LINE_LENGTH) return LONG_LINE;
    if (!line.startsWith(' ')) {
      finish();
      block = { descriptor: line.trimEnd().replace(/:$/, '').replaceAll('"', '').split(', ')[0] ?? '' };
      continue;
    }
    const value = /^ {2}(version|resolution):? (.+)$/.exec(line.trimEnd());
    if (block === undefined || value === null) continue;
    if (value[1] === 'version') block.version ??= unquoted(value[2] ?? '');
    else block.resolution ??= unquoted(value[2] ?? '');
  }
  finish();
  if (found.length === 0 && !/^# yarn lockfile|^__metadata:/m.test(text))
    return { ok: false, reason: 'is not a yarn.lock' };
  return { ok: true, entries: found };
}

/** `@a/b@npm:^1.0.0` is `@a/b`, and `alias@npm:@a/b@^1.0.0` is `@a/b` too. */
function descriptorName(descriptor: string): string {
  const at = descriptor.indexOf('@', 1);
  if (at === -1) return descriptor;
  const range = descriptor.slice(at + 1);
  const alias = range.startsWith('npm:') ? range.slice('npm:'.length) : '';
  const end = alias.indexOf('@', 1);
  return end === -1 ? descriptor.slice(0, at) : alias.slice(0, end);
}

/**
 * `pnpm-lock.yaml` of versions 5 to 9: the keys of its section `packages`, without those that only development needs
 * (which version 9 does not say). Read by lines, since pnpm always writes this form and a YAML parser needs seconds for
 * a hostile file. Keys: `/name/1.0.0_peers` (5), `/name@1.0.0(peers)` (6), `name@1.0.0` (9).
 */
export function pnpmLockEntries(text: string): LockFile {
  const found = new Map<string, LockEntry>();
  let inPackages = false;
  let key: string | undefined;
  for (const line of text.split('\n')) {
    if (line.length > MAX_LINE_LENGTH) return LONG_LINE;
    if (/^\S/.test(line)) inPackages = line.trimEnd() === 'packages:';
    if (!inPackages) continue;
    const start = pnpmKey(line);
    if (start !== undefined) {
      key = start;
      const entry = pnpmEntry(key);
      if (entry !== undefined) found.set(key, entry);
    } else if (key !== undefined && line.trimEnd() === '    dev: true') found.delete(key);
  }
  if (!/^lockfileVersion:/m.test(text)) return { ok: false, reason: 'is not a pnpm-lock.yaml' };
  return { ok: true, entries: [...found.values()] };
}

/** The key of a line with an indentation of two spaces, such as `  '@a/b@1.0.0': {}`. */
function pnpmKey(line: string): string | undefined {
  if (!line.startsWith('  ') || line[2] === ' ' || line[2] === undefined) return undefined;
  const text = line.slice(2).trimEnd();
  const quote = text[0] === "'" || text[0] === '"' ? text[0] : undefined;
  if (quote !== undefined) return text.slice(1, Math.max(1, text.indexOf(quote, 1)));
  const end = text.endsWith(':') ? text.length - 1 : text.indexOf(': ');
  return end === -1 ? undefined : text.slice(0, end);
}

function pnpmEntry(key: string): LockEntry | undefined {
  const path = key.replace(/^\//, '').split('(')[0] ?? '';
  // An address or a directory in place of a version, such as `file:packages/a`.
  if (path.includes(':')) return undefined;
  const match = /^((?:@[^/@]+\/)?[^/@]+)(?:@([^/]+)$|\/([^/_]+))/.exec(path);
  return { name: match?.[1], version: match?.[2] ?? match?.[3] };
}

function unquoted(text: string): string {
  return /^(["']).*\1$/.test(text) ? text.slice(1, -1) : text;
}
