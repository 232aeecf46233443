import t from 'tap';
import { SSH_KEY_CHECKS } from '../../../../posture/check/ssh/key-checks.ts';
import type { Account, AuthorizedKey } from '../../../../posture/fact/accounts.ts';
import type { Facts } from '../../../../posture/fact/facts.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import type { Verdict } from '../../../../posture/verdict.ts';
import { account, accountsFact, sshdFact } from '../../../fixture/facts.ts';
import { judgeNodes } from '../../../fixture/node-table.ts';

const RUNNING = sshdFact({ present: seen('running', '/proc/611') });
const ROOT = account({ name: 'root', uid: 0, gid: 0, home: '/root' });
const SERVICE = account({ name: 'git', uid: 998, gid: 998 });
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
const keys = (change: Partial<AuthorizedKey>, of: Partial<Account> = {}): Account =>
  account({ ...of, authorizedKeys: seen([KEY, { ...KEY, ...change }], KEY.path) });
const ROOT_KEY = (options: readonly string[]): Partial<Facts> => ({
  accounts: accountsFact({
    users: seen([{ ...ROOT, authorizedKeys: seen([{ ...KEY, options }], '/root') }], '/etc/passwd'),
  }),
  sshd: RUNNING,
});
const NO_ROOT_LOGIN = sshdFact({
  present: RUNNING.present,
  contexts: seen(
    [{ condition: '', settings: { permitrootlogin: { values: ['no'], source: '/etc/ssh/sshd_config:1' } } }],
    '/etc/ssh/sshd_config',
  ),
});

// What is accepted: catalogue of node controls, NODE-SSH-18 and 23.
const ROWS: Readonly<Record<string, readonly (readonly [string, Partial<Facts>, Verdict])[]>> = {
  'ssh.authorized-key-strength': [
    ['RSA of 2048 bits', users(keys({ type: 'ssh-rsa', bits: 2048 })), 'pass'],
    ['RSA of 1024 bits', users(keys({ type: 'ssh-rsa', bits: 1024 })), 'fail'],
    ['DSA', users(keys({ type: 'ssh-dss', bits: 1024 })), 'fail'],
    ['one could not be read', users(account({ authorizedKeys: DENIED })), 'unknown'],
    ['one that is read is weak', users(account({ authorizedKeys: DENIED }), keys({ type: 'ssh-dss' })), 'fail'],
    ['no SSH server', { ...users(keys({ type: 'ssh-dss' })), sshd: sshdFact() }, 'notApplicable'],
  ],
  'ssh.authorized-keys-files': [
    ['no other', users(account({ openPaths: [] })), 'pass'],
    ['the group', users(account({ openPaths: [{ path: '/home/ada', reason: 'writable by gid 50' }] })), 'fail'],
    ['not read', users(account({ authorizedKeys: DENIED })), 'unknown'],
  ],
  'ssh.root-authorized-keys': [
    ['from=', ROOT_KEY(['from']), 'pass'],
    ['no option', ROOT_KEY([]), 'fail'],
    ['an option that restricts nothing', ROOT_KEY(['environment']), 'fail'],
    ['no root login at all', { ...ROOT_KEY([]), sshd: NO_ROOT_LOGIN }, 'notApplicable'],
    ['keys of another account', users(keys({})), 'pass'],
  ],
  'ssh.system-account-keys': [
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
  'ssh.unencrypted-private-key': [
    ['none', users(account()), 'pass'],
    ['encrypted', users(account({ privateKeys: seen([{ path: '/home/ada/.ssh/id', encrypted: true }], '') })), 'pass'],
    ['plain', users(account({ privateKeys: seen([{ path: '/home/ada/.ssh/id', encrypted: false }], '') })), 'fail'],
    ['not read', users(account({ privateKeys: DENIED })), 'unknown'],
  ],
};

t.same(
  SSH_KEY_CHECKS.map(({ id }) => id),
  Object.keys(ROWS),
);
for (const check of SSH_KEY_CHECKS)
  judgeNodes(
    t,
    check,
    (ROWS[check.id] ?? []).map(([name, facts, verdict]) => ({ name, facts, verdict })),
  );
