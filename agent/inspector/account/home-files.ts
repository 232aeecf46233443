import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { Account } from '../../../posture/fact/accounts.ts';
import type { Host, HostStat, Read } from '../../host/host.ts';
import { failure } from '../../host/failure.ts';
import { clip } from '../clip.ts';
import { NODE_SUBJECT } from '../parse-cache.ts';
import type { ParseCache } from '../parse-cache.ts';
import { isFault, unseen } from '../read-text.ts';
import { statTrusted } from '../trusted-path.ts';
import { findHome, readOwned } from './local-path.ts';
import type { LocalPaths, OwnedDirectory } from './local-path.ts';
import type { PasswdEntry } from './password-files.ts';
import { readPrivateKeys } from './private-keys.ts';
import { parseAuthorizedKeys } from './public-key.ts';

/** Bounds for one account: what exceeds them is unreadable. */
const MAX_KEY_FILE_BYTES = 256 * 1024;
const MAX_KEYS = 256;
const MAX_OPEN_PATHS = 32;

/** Write permission of group and others, inode(7). */
const GROUP_WRITE = 0o020;
const OTHERS_WRITE = 0o002;

/** What is read of the files of one account. */
export type HomeFacts = Pick<Account, 'authorizedKeys' | 'openPaths' | 'privateKeys' | 'trustFiles'>;

/** How the files of accounts are read. */
export interface HomeReader {
  readonly host: Host;
  readonly cache: ParseCache;
  readonly local: LocalPaths;
  /** `AuthorizedKeysFile` of sshd, its tokens not replaced. */
  readonly keyFiles: readonly string[];
  /** Does the group have exactly one user? Then its write permission gives nobody else access. */
  readonly isPrivateGroup: (gid: number, account: PasswdEntry) => boolean;
}

/** Reads what concerns remote logins of one account. */
export async function readHomeFiles(reader: HomeReader, account: PasswdEntry): Promise<HomeFacts> {
  const { host, local } = reader;
  const home = await findHome(host, local, account.home);
  const keys = await readKeyFiles(reader, account, home);
  if (!home.ok) {
    const nothing = unseen(home, clip(account.home, 4096));
    return { ...keys, privateKeys: nothing, trustFiles: nothing };
  }
  return {
    ...keys,
    privateKeys: await readPrivateKeys(reader, account.uid, home.value),
    trustFiles: await findTrustFiles(host, home.value, local),
  };
}

interface KeyFile {
  readonly path: string;
  readonly read: Read<{ readonly bytes: Buffer; readonly stat: HostStat }>;
  readonly openPaths: Account['openPaths'];
}

async function readKeyFiles(
  reader: HomeReader,
  account: PasswdEntry,
  home: Read<OwnedDirectory>,
): Promise<Pick<Account, 'authorizedKeys' | 'openPaths'>> {
  const files: KeyFile[] = [];
  for (const pattern of reader.keyFiles) {
    const path = expand(pattern, account);
    if (path !== undefined) files.push(await readKeyFile(reader, account, home, path));
  }
  const openPaths = distinctPaths(files.flatMap((file) => file.openPaths)).slice(0, MAX_OPEN_PATHS);
  const source = clip(files[0]?.path ?? account.home, 4096);
  const failed = files.find(({ read }) => !read.ok && read.code !== 'absent');
  if (failed !== undefined && !failed.read.ok)
    return { authorizedKeys: unreadable(clip(failed.path, 4096), failed.read.reason), openPaths };
  const keys = files.flatMap(({ path, read }) =>
    read.ok
      ? reader.cache
          .parsed(NODE_SUBJECT, path, read.value.bytes, (bytes) => parseAuthorizedKeys(bytes.toString('utf8')))
          .map(({ type, bits, fingerprint, options }) => ({ type, bits, fingerprint, options, path: clip(path, 4096) }))
      : [],
  );
  if (files.every(({ read }) => !read.ok)) return { authorizedKeys: absent(source), openPaths };
  if (keys.length > MAX_KEYS)
    return { authorizedKeys: unreadable(source, `more than ${String(MAX_KEYS)} keys`), openPaths };
  return { authorizedKeys: seen(keys, source), openPaths };
}

/** A path below the home directory is the account's; any other must be root's, up to the file. */
async function readKeyFile(
  { host, local, isPrivateGroup }: HomeReader,
  account: PasswdEntry,
  home: Read<OwnedDirectory>,
  path: string,
): Promise<KeyFile> {
  const { uid } = account;
  const prefix = account.home === '/' ? '/' : `${account.home}/`;
  if (path.startsWith(prefix)) {
    if (!home.ok) return { path, read: home, openPaths: [] };
    // The home directory itself may be behind links of root.
    const real = `${home.value.path}/${path.slice(prefix.length)}`;
    const wanted = { path: real, uid, maxBytes: MAX_KEY_FILE_BYTES };
    const read = await readOwned(host, local, home.value, wanted);
    if (!read.ok) return { path: real, read, openPaths: [] };
    const openPaths = await openPathsTo(host, home.value, wanted, (gid) => isPrivateGroup(gid, account));
    // Who can change the keys is not known then.
    return openPaths.ok
      ? { path: real, read, openPaths: openPaths.value }
      : { path: real, read: openPaths, openPaths: [] };
  }
  const parent = path.slice(0, path.lastIndexOf('/')) || '/';
  const refused = local.refusal(parent);
  if (refused !== undefined) return { path, read: failure('failed', refused), openPaths: [] };
  const stat = await statTrusted(host, parent);
  if (!stat.ok) return { path, read: stat, openPaths: [] };
  const directory = { path: stat.value.realPath, stat: stat.value };
  const real = `${directory.path}/${path.slice(path.lastIndexOf('/') + 1)}`;
  return {
    path,
    read: await readOwned(host, local, directory, { path: real, uid, maxBytes: MAX_KEY_FILE_BYTES }),
    openPaths: [],
  };
}

/** The directories from the home directory to a file of keys, and the file, that others than the account can change. */
async function openPathsTo(
  host: Host,
  home: OwnedDirectory,
  { path, uid }: { readonly path: string; readonly uid: number },
  isOwnGroup: (gid: number) => boolean,
): Promise<Read<Account['openPaths']>> {
  const found: { path: string; reason: string }[] = [];
  const names = path.slice(home.path.length + 1).split('/');
  for (let depth = 0; depth <= names.length; depth += 1) {
    const at = [home.path, ...names.slice(0, depth)].join('/') || '/';
    const stat = await host.stat(at);
    if (isFault(stat)) return { ...stat, reason: `${clip(at, 1024)}: ${stat.reason}` };
    if (!stat.ok) continue;
    const { uid: owner, gid, mode } = stat.value;
    const reason =
      owner !== 0 && owner !== uid
        ? `owned by uid ${String(owner)}`
        : (mode & OTHERS_WRITE) !== 0
          ? 'writable by everybody'
          : (mode & GROUP_WRITE) !== 0 && gid !== 0 && !isOwnGroup(gid)
            ? `writable by gid ${String(gid)}`
            : undefined;
    if (reason !== undefined) found.push({ path: clip(at, 4096), reason });
  }
  return { ok: true, value: found };
}

async function findTrustFiles(host: Host, home: OwnedDirectory, local: LocalPaths): Promise<Account['trustFiles']> {
  const found: string[] = [];
  for (const name of ['.rhosts', '.shosts']) {
    const path = `${home.path}/${name}`;
    const refused = local.refusal(path);
    if (refused !== undefined) return unreadable(clip(path, 4096), refused);
    const stat = await host.stat(path);
    if (!stat.ok && stat.code !== 'absent') return unreadable(clip(path, 4096), stat.reason);
    if (stat.ok && stat.value.kind === 'file' && stat.value.size > 0) found.push(clip(path, 4096));
  }
  return seen(found, clip(home.path, 4096));
}

/** `AuthorizedKeysFile` for an account, sshd_config(5), TOKENS; undefined where it names none. */
function expand(pattern: string, { name, uid, home }: PasswdEntry): string | undefined {
  if (pattern.toLowerCase() === 'none') return undefined;
  const path = pattern.replaceAll(/%([%huU])/g, (_, token: string) => {
    if (token === 'h') return home;
    if (token === 'u') return name;
    return token === 'U' ? String(uid) : '%';
  });
  return path.startsWith('/') ? path : `${home === '/' ? '' : home}/${path}`;
}

function distinctPaths(paths: Account['openPaths']): Account['openPaths'] {
  return [...new Map(paths.map((each) => [each.path, each])).values()];
}
