import { seen, unreadable } from '../../../posture/observed.ts';
import type { Account, AccountsFact } from '../../../posture/fact/accounts.ts';
import type { Facts } from '../../../posture/fact/facts.ts';
import type { NodeAccess } from '../../node-access.ts';
import type { Inspector } from '../inspector.ts';
import { mapBounded } from '../map-bounded.ts';
import { nodeMounts } from '../proc/node-mounts.ts';
import { readText, unseen } from '../read-text.ts';
import { readHomeFiles } from './home-files.ts';
import type { HomeFacts, HomeReader } from './home-files.ts';
import { createLocalPaths } from './local-path.ts';
import { parseGroups, parsePasswd, refusesLogin, systemUidMax } from './password-files.ts';
import type { PasswdEntry } from './password-files.ts';

/** Bounds of the fact. Files of further accounts are not read. */
const MAX_ACCOUNTS = 1024;
const MAX_HOMES = 512;
const MAX_BYTES = 1024 * 1024;
/** Patterns of AuthorizedKeysFile that are looked at, over all Match blocks. */
const MAX_KEY_FILES = 16;
/** Accounts that are read at a time: the threads that read files are four. */
const CONCURRENCY = 4;

const PASSWD = '/etc/passwd';
const GROUP = '/etc/group';
/** SUSE has its own below /usr; one in /etc takes its place. */
const LOGIN_DEFS = ['/etc/login.defs', '/usr/etc/login.defs'];

/** The accounts of the node and what opens them over SSH: keys and trust files. */
export const accountsInspector: Inspector<'accounts'> = {
  fact: 'accounts',
  needs: ['sshd'],
  inspect: inspectAccounts,
  // What is in home directories comes with the sweep: users could make work by changing their files.
  watches: () => [PASSWD, GROUP, ...LOGIN_DEFS, '/root/.ssh/authorized_keys'],
};

async function inspectAccounts(access: NodeAccess, { sshd }: Partial<Facts>): Promise<AccountsFact> {
  const { host } = access;
  const [passwd, group, ...defs] = await Promise.all(
    [PASSWD, GROUP, ...LOGIN_DEFS].map((path) => readText(host, path, MAX_BYTES)),
  );
  if (passwd === undefined || group === undefined) throw new Error('these files were read');
  const groups = group.ok ? parseGroups(group.value) : [];
  const entries = passwd.ok ? parsePasswd(passwd.value) : [];
  const isTooMany = entries.length > MAX_ACCOUNTS || groups.length > MAX_ACCOUNTS;
  const tooMany = unreadable(PASSWD, `more than ${String(MAX_ACCOUNTS)} accounts or groups`);
  const read = async (): Promise<AccountsFact['users']> => {
    if (!passwd.ok) return unseen(passwd, PASSWD);
    if (isTooMany) return tooMany;
    const files =
      group.ok || group.code === 'absent'
        ? await readHomes(access, entries, groups, keyFilesOf(sshd))
        : entries.map((entry) => notRead(entry, `${GROUP}: ${group.reason}`));
    return seen(
      entries.map((entry, index): Account => {
        const { name, uid, gid, home, shell } = entry;
        const known = { name, uid, gid, home, shell, canLogin: !refusesLogin(shell) };
        return Object.assign(known, files[index] ?? notRead(entry, `more than ${String(MAX_HOMES)} accounts`));
      }),
      PASSWD,
    );
  };
  return {
    users: await read(),
    groups: !group.ok ? unseen(group, GROUP) : isTooMany ? tooMany : seen(groups, GROUP),
    systemUidMax: systemUidMax(defs.find((read) => read.ok)?.value ?? ''),
  };
}

async function readHomes(
  access: NodeAccess,
  entries: readonly PasswdEntry[],
  groups: ReturnType<typeof parseGroups>,
  keyFiles: readonly string[] | undefined,
): Promise<readonly HomeFacts[]> {
  const { host, cache } = access;
  const some = entries.slice(0, MAX_HOMES);
  const mounts = await nodeMounts(access, '1');
  if (!mounts.ok) return some.map((entry) => notRead(entry, `/proc/1/mountinfo: ${mounts.reason}`));
  const primary = new Map<number, number>();
  for (const { gid } of entries) primary.set(gid, (primary.get(gid) ?? 0) + 1);
  const reader: HomeReader = {
    host,
    cache,
    local: createLocalPaths(host, mounts.value.entries),
    keyFiles: keyFiles ?? [],
    isPrivateGroup: (gid, { name, gid: own }) =>
      gid === own &&
      primary.get(gid) === 1 &&
      groups.every((group) => group.gid !== gid || group.members.every((member) => member === name)),
  };
  const read = await mapBounded(some, CONCURRENCY, (entry) => readHomeFiles(reader, entry));
  if (keyFiles !== undefined) return read;
  return read.map((facts, index): HomeFacts => {
    const { openPaths, privateKeys, trustFiles } = facts;
    const authorizedKeys = unreadable(some[index]?.home ?? '', 'where sshd looks for keys is not known');
    return { authorizedKeys, openPaths, privateKeys, trustFiles };
  });
}

function notRead({ home }: PasswdEntry, reason: string): HomeFacts {
  const nothing = unreadable(home, reason);
  return { authorizedKeys: nothing, openPaths: [], privateKeys: nothing, trustFiles: nothing };
}

/** `AuthorizedKeysFile` under every condition. Without an SSH server no key opens anything; undefined: not known. */
function keyFilesOf(sshd: Facts['sshd'] | undefined): readonly string[] | undefined {
  if (sshd === undefined || sshd.present.state === 'absent') return [];
  if (sshd.contexts.state !== 'seen') return undefined;
  const patterns = new Set<string>();
  for (const { settings } of sshd.contexts.value)
    for (const value of settings['authorizedkeysfile']?.values ?? [])
      for (const pattern of value.split(/\s+/)) if (pattern !== '') patterns.add(pattern);
  return patterns.size > MAX_KEY_FILES ? undefined : [...patterns];
}
