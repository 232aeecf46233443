import t from 'tap';
import { ACCOUNT_CHECKS } from '../../../../posture/check/account/account-checks.ts';
import type { Account, AccountsFact, AuthorizedKey, SudoRule } from '../../../../posture/fact/accounts.ts';
import type { Facts } from '../../../../posture/fact/facts.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import type { Verdict } from '../../../../posture/verdict.ts';
import { account, accountsFact, sshdFact } from '../../../fixture/facts.ts';
import { judgeNodes } from '../../../fixture/node-table.ts';

const RUNNING = sshdFact({ present: seen('running', '/proc/611') });
const ROOT = account({ name: 'root', uid: 0, gid: 0, home: '/root', password: 'locked' });
const SERVICE = account({ name: 'git', uid: 998, gid: 998, password: 'locked' });
const KEY: AuthorizedKey = {
  type: 'ssh-ed25519',
  bits: 256,
  fingerprint: 'SHA256:x',
  options: [],
  path: '/home/ada/.ssh/authorized_keys',
};
const DENIED = unreadable('/home/bob/.ssh/authorized_keys', 'a symbolic link is not followed');

/** The accounts of a node with an SSH server. */
function users(...all: readonly Account[]): Partial<Facts> {
  return { accounts: accountsFact({ users: seen([ROOT, ...all], '/etc/passwd') }), sshd: RUNNING };
}
const rules = (...sudo: readonly SudoRule[]): Partial<AccountsFact> => ({ sudo: seen(sudo, '/etc/sudoers') });
const rule = (who: string, change: Partial<SudoRule> = {}): SudoRule => ({
  who: [who],
  allCommands: true,
  noPassword: true,
  source: '/etc/sudoers:9',
  ...change,
});
const keys = (change: Partial<AuthorizedKey>, of: Partial<Account> = {}): Account =>
  account({ ...of, authorizedKeys: seen([KEY, { ...KEY, ...change }], KEY.path) });
const withFact = (fact: Partial<AccountsFact>, of: Partial<Facts> = users(account())): Partial<Facts> => ({
  ...of,
  accounts: { ...(of.accounts ?? accountsFact()), ...fact },
});
const ROOT_KEY = (options: readonly string[]): Partial<Facts> => ({
  accounts: accountsFact({
    users: seen([{ ...ROOT, authorizedKeys: seen([{ ...KEY, options }], '/root') }], '/etc/passwd'),
  }),
  sshd: RUNNING,
});
const group = (name: string, ...members: readonly string[]): AccountsFact['groups'] =>
  seen([{ name, gid: 6, members }], '/etc/group');
const NO_ROOT_LOGIN = sshdFact({
  present: RUNNING.present,
  contexts: seen(
    [{ condition: '', settings: { permitrootlogin: { values: ['no'], source: '/etc/ssh/sshd_config:1' } } }],
    '/etc/ssh/sshd_config',
  ),
});

// What is accepted: catalogue of node controls, NODE-SSH-04, 18, 23, 24 and NODE-HOST-09.
const ROWS: Readonly<Record<string, readonly (readonly [string, Partial<Facts>, Verdict])[]>> = {
  'account.authorized-key-strength': [
    ['RSA of 2048 bits', users(keys({ type: 'ssh-rsa', bits: 2048 })), 'pass'],
    ['RSA of 1024 bits', users(keys({ type: 'ssh-rsa', bits: 1024 })), 'fail'],
    ['DSA', users(keys({ type: 'ssh-dss', bits: 1024 })), 'fail'],
    ['one could not be read', users(account({ authorizedKeys: DENIED })), 'unknown'],
    ['one that is read is weak', users(account({ authorizedKeys: DENIED }), keys({ type: 'ssh-dss' })), 'fail'],
    ['no SSH server', { ...users(keys({ type: 'ssh-dss' })), sshd: sshdFact() }, 'notApplicable'],
  ],
  'account.authorized-keys-files': [
    ['no other', users(account({ openPaths: [] })), 'pass'],
    ['the group', users(account({ openPaths: [{ path: '/home/ada', reason: 'writable by gid 50' }] })), 'fail'],
    ['not read', users(account({ authorizedKeys: DENIED })), 'unknown'],
  ],
  'account.duplicate-root': [
    ['root alone', users(account()), 'pass'],
    ['toor', users(account({ name: 'toor', uid: 0 })), 'fail'],
    ['no list', withFact({ users: unreadable('/etc/passwd', 'permission denied') }), 'unknown'],
  ],
  'account.empty-password': [
    ['set, locked', users(account()), 'pass'],
    ['empty', users(account({ password: 'empty' })), 'fail'],
    [
      'no shadow',
      withFact({ shadow: unreadable('/etc/shadow', 'permission denied') }, users(account({ password: 'unknown' }))),
      'unknown',
    ],
  ],
  'account.root-authorized-keys': [
    ['from=', ROOT_KEY(['from']), 'pass'],
    ['no option', ROOT_KEY([]), 'fail'],
    ['an option that restricts nothing', ROOT_KEY(['environment']), 'fail'],
    ['no root login at all', { ...ROOT_KEY([]), sshd: NO_ROOT_LOGIN }, 'notApplicable'],
    ['keys of another account', users(keys({})), 'pass'],
  ],
  'account.root-equivalent-groups': [
    ['nobody', withFact({ groups: group('disk') }), 'pass'],
    ['a person', withFact({ groups: group('disk', 'ada') }), 'fail'],
    ['by the primary group', withFact({ groups: group('lxd') }, users(account({ gid: 6 }))), 'fail'],
    ['another group', withFact({ groups: group('games', 'ada') }), 'pass'],
    // As Alpine has it: adm cannot log in.
    [
      'a system account',
      withFact({ groups: group('disk', 'root', 'adm') }, users(account({ name: 'adm', canLogin: false }))),
      'pass',
    ],
    ['no list', withFact({ groups: unreadable('/etc/group', 'permission denied') }), 'unknown'],
  ],
  'account.sudo-without-password': [
    ['no sudo', users(account()), 'notApplicable'],
    ['with a password', withFact(rules(rule('ada', { noPassword: false }))), 'pass'],
    ['without one', withFact(rules(rule('ada'))), 'fail'],
    ['some commands', withFact(rules(rule('ada', { allCommands: false }))), 'pass'],
    ['a group', withFact({ ...rules(rule('%wheel')), groups: group('wheel', 'ada') }), 'fail'],
    ['an empty group', withFact({ ...rules(rule('%wheel')), groups: group('wheel') }), 'pass'],
    // As cloud images and Flatcar have it: the account has no password to ask for.
    ['an account without a password', withFact(rules(rule('ada')), users(account({ password: 'locked' }))), 'manual'],
    ['no shadow', withFact(rules(rule('ada')), users(account({ password: 'unknown' }))), 'unknown'],
    ['of a directory service', withFact(rules(rule('%ops'))), 'manual'],
    ['not read', withFact({ sudo: unreadable('/etc/sudoers', 'permission denied') }), 'unknown'],
  ],
  'account.system-account-keys': [
    ['a forced command', users(keys({}, { name: 'git', uid: 998, authorizedKeys: absent('') })), 'fail'],
    ['no key', users(SERVICE), 'pass'],
    [
      'every key has one',
      users({ ...SERVICE, authorizedKeys: seen([{ ...KEY, options: ['command', 'no-pty'] }], KEY.path) }),
      'pass',
    ],
    ['of a person', users(keys({})), 'pass'],
    // Fedora CoreOS and Flatcar.
    ['core', users(keys({}, { name: 'core', uid: 500 })), 'pass'],
    ['not read', users({ ...SERVICE, authorizedKeys: DENIED }), 'unknown'],
  ],
  'account.system-account-password': [
    ['locked', users(SERVICE), 'pass'],
    ['set', users({ ...SERVICE, password: 'set' }), 'fail'],
    ['set, and no shell', users({ ...SERVICE, password: 'set', canLogin: false }), 'pass'],
  ],
  'account.unencrypted-private-key': [
    ['none', users(account()), 'pass'],
    ['encrypted', users(account({ privateKeys: seen([{ path: '/home/ada/.ssh/id', encrypted: true }], '') })), 'pass'],
    ['plain', users(account({ privateKeys: seen([{ path: '/home/ada/.ssh/id', encrypted: false }], '') })), 'fail'],
    ['not read', users(account({ privateKeys: DENIED })), 'unknown'],
  ],
  'account.weak-password-hash': [
    ['set', users(account()), 'pass'],
    ['MD5', users(account({ password: 'weak' })), 'fail'],
  ],
};

t.same(
  ACCOUNT_CHECKS.map(({ id }) => id),
  Object.keys(ROWS),
);
for (const check of ACCOUNT_CHECKS)
  judgeNodes(
    t,
    check,
    (ROWS[check.id] ?? []).map(([name, facts, verdict]) => ({ name, facts, verdict })),
  );
