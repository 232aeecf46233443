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
      if (typeof version !== 'string') found.push({ name: key, version });
      else if (!version.startsWith('file:')) found.push(versionOneEntry(key, version));
      const nested = field(entry, 'dependencies');
      if (isObject(nested)) next.push(nested);
    }
    level = next;
  }
  return { ok: true, entries: found };
}

/** An alias is `npm:NAME@VERSION`; of an address or a git commit, the version is unknown. */
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
    const value = /^ {2}"?(version|resolution)"?:? (.+)$/.exec(line.trimEnd());
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

/** One entry of the section `packages` of a pnpm-lock.yaml. */
interface PnpmEntry {
  readonly key: string;
  /** Written by pnpm where the key is not the name and version of a registry package. */
  name?: string;
  version?: string;
  isDevelopment?: boolean;
  isDirectory?: boolean;
}

/**
 * `pnpm-lock.yaml` of versions 5 to 9: the section `packages`, without entries that only development needs (which version
 * 9 does not say) and local directories. Read by lines, since pnpm always writes this form and a YAML parser needs
 * seconds for a hostile file.
 */
export function pnpmLockEntries(text: string): LockFile {
  const found = new Map<string, PnpmEntry>();
  let inPackages = false;
  let entry: PnpmEntry | undefined;
  for (const line of text.split('\n')) {
    if (line.length > MAX_LINE_LENGTH) return LONG_LINE;
    if (/^\S/.test(line)) inPackages = line.trimEnd() === 'packages:';
    if (!inPackages) continue;
    const key = pnpmKey(line);
    if (key !== undefined) {
      entry = { key };
      found.set(key, entry);
    } else if (entry !== undefined) readPnpmField(entry, line.trimEnd());
  }
  if (!/^lockfileVersion:/m.test(text)) return { ok: false, reason: 'is not a pnpm-lock.yaml' };
  return { ok: true, entries: [...found.values()].flatMap((each) => pnpmPackage(each) ?? []) };
}

function readPnpmField(entry: PnpmEntry, line: string): void {
  const [, field, value = ''] = /^ {4}(name|version): (.+)$/.exec(line) ?? [];
  if (field === 'name') entry.name ??= unquoted(value);
  else if (field === 'version') entry.version ??= unquoted(value);
  else if (line === '    dev: true') entry.isDevelopment = true;
  else if (/^(?: {6}| {4}resolution: \{(?:.*, )?)type: directory\b/.test(line)) entry.isDirectory = true;
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

const NPM_VERSION = /^\d+\.\d+\.\d+(?:[-+][\w.+-]+)?$/;

/**
 * Keys of registries are `/name/1.0.0_peers` and `registry.example.com/name/1.0.0` (5), `/name@1.0.0(peers)` (6) and
 * `name@1.0.0` (9). Others are addresses of archives or git, whose entries have a name and a version of their own.
 */
function pnpmPackage({ key, name, version, isDevelopment, isDirectory }: PnpmEntry): LockEntry | undefined {
  if (isDevelopment === true || isDirectory === true) return undefined;
  const path = key.split('(')[0] ?? '';
  const [, ownName, range = ''] = /^\/?((?:@[^/@]+\/)?[^/@:]+)@(.+)$/.exec(path) ?? [];
  const isLocal = /^(?:file|link|workspace):/.test(ownName === undefined ? path : range);
  if (isLocal && version === undefined) return undefined;
  const [, oldName, oldVersion] = /^(?:[^/]*)\/((?:@[^/@]+\/)?[^/@]+)\/([^/_@]+)(?:_.*)?$/.exec(path) ?? [];
  const keyed = ownName === undefined ? { name: oldName, version: oldVersion } : { name: ownName, version: range };
  // Not a version: the key is an address, and its parts are neither name nor version.
  if (keyed.version === undefined || !NPM_VERSION.test(keyed.version)) return { name: name ?? ownName, version };
  return { name: name ?? keyed.name, version: version ?? keyed.version };
}

function unquoted(text: string): string {
  return /^(["']).*\1$/.test(text) ? text.slice(1, -1) : text;
}
