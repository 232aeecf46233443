import t from 'tap';
import { SSH_ACCESS_CHECKS } from '../../../../posture/check/ssh/access-checks.ts';
import type { Facts } from '../../../../posture/fact/facts.ts';
import type { SshAccessFact } from '../../../../posture/fact/ssh-access.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import type { Observed } from '../../../../posture/observed.ts';
import type { Verdict } from '../../../../posture/verdict.ts';
import { account, accountsFact, sshAccessFact, sshdFact } from '../../../fixture/facts.ts';
import { judgeNodes } from '../../../fixture/node-table.ts';

type Settings = Readonly<Record<string, string>>;

/** Defaults of sshd -T, OpenSSH 10.0p2. */
const DEFAULTS: Settings = {
  allowusers: '',
  allowgroups: '',
  denyusers: '',
  denygroups: '',
  authorizedkeyscommand: 'none',
  authorizedkeyscommanduser: 'none',
  pubkeyauthentication: 'yes',
  authenticationmethods: 'any',
  passwordauthentication: 'yes',
  kbdinteractiveauthentication: 'yes',
  maxstartups: '10:30:100',
  maxsessions: '10',
  trustedusercakeys: 'none',
  revokedkeys: 'none',
};

function settings(changed: Settings, access: Partial<SshAccessFact> = {}): Partial<Facts> {
  const all = Object.entries({ ...DEFAULTS, ...changed }).map(
    ([name, value]) =>
      [name, { values: value === '' ? [] : value.split(' '), source: '/etc/ssh/sshd_config:1' }] as const,
  );
  const contexts = seen([{ condition: '', settings: Object.fromEntries(all) }], '/etc/ssh/sshd_config');
  return { sshd: sshdFact({ present: seen('running', '/proc/9'), contexts }), sshAccess: sshAccessFact(access) };
}
const access = (fact: Partial<SshAccessFact>): Partial<Facts> => settings({}, fact);

type Of<K extends keyof SshAccessFact> = SshAccessFact[K] extends Observed<infer T> ? T : never;
const INSTALLED = Date.UTC(2026, 0, 10);
const key = (change: Partial<Of<'hostKeys'>[number]>): Partial<Facts> =>
  access({
    hostKeys: seen(
      [
        {
          path: '/etc/ssh/ssh_host_rsa_key',
          type: 'ssh-rsa',
          bits: 3072,
          fingerprint: 'SHA256:x',
          modifiedAtMs: INSTALLED + 60_000,
          ...change,
        },
      ],
      '/etc/ssh',
    ),
  });
const sockets = (address: string, addresses: readonly string[]): Partial<Facts> =>
  access({
    sockets: seen([{ address, port: 22 }], '/proc/net/tcp'),
    publicAddresses: seen(addresses, '/proc/1/net/fib_trie'),
  });
const session = (user: string, startedAtMs: number): Partial<Facts> =>
  access({ sessions: seen([{ user, startedAtMs, pid: 7 }], '/proc') });
const moduli = (weak: number): Partial<SshAccessFact> => ({
  moduli: seen({ count: 10, weak, smallestBits: 2047 }, '/etc/ssh/moduli'),
});
const UNREAD = unreadable('/proc', 'permission denied (EACCES)');
const NOW = Date.UTC(2026, 10, 25, 11, 0, 0);

// What is accepted: catalogue of node controls, NODE-SSH-05 to 07, 10, 14, 15, 17, 19 and 20.
const ROWS: Readonly<Record<string, readonly (readonly [string, Partial<Facts>, Verdict])[]>> = {
  'ssh.allow-list': [
    ['none', settings({}), 'fail'],
    ['a group', settings({ allowgroups: 'ssh-users' }), 'pass'],
    ['everyone', settings({ allowusers: '*' }), 'fail'],
    ['everyone, but a group as well', settings({ allowusers: '*', allowgroups: 'ops' }), 'pass'],
    ['a pattern', settings({ allowusers: 'ada*' }), 'pass'],
    ['others are denied', settings({ denyusers: 'bob' }), 'fail'],
  ],
  'ssh.authorized-keys-command': [
    ['none', settings({}), 'notApplicable'],
    ['own user', settings({ authorizedkeyscommand: '/usr/bin/x', authorizedkeyscommanduser: 'keys' }), 'pass'],
    ['root', settings({ authorizedkeyscommand: '/usr/bin/x', authorizedkeyscommanduser: 'root' }), 'fail'],
  ],
  'ssh.host-key-origin': [
    ['made at first boot', key({}), 'pass'],
    ['made just before the identity was written', key({ modifiedAtMs: INSTALLED - 60_000 }), 'pass'],
    ['a year older', key({ modifiedAtMs: INSTALLED - 3e10 }), 'fail'],
    ['not read', access({ hostKeys: UNREAD }), 'unknown'],
    [
      'no age',
      { ...key({}), sshAccess: { ...sshAccessFact(), ...key({}).sshAccess, installedAtMs: UNREAD } },
      'unknown',
    ],
  ],
  'ssh.host-key-strength': [
    ['RSA of 3072 bits', key({}), 'pass'],
    ['RSA of 2048 bits', key({ bits: 2048 }), 'pass'],
    ['RSA of 2047 bits', key({ bits: 2047 }), 'fail'],
    ['DSA', key({ type: 'ssh-dss', bits: 1024 }), 'fail'],
    ['not read', access({ hostKeys: UNREAD }), 'unknown'],
  ],
  'ssh.key-required': [
    ['default', settings({}), 'fail'],
    ['methods', settings({ authenticationmethods: 'publickey,password publickey,keyboard-interactive' }), 'pass'],
    ['one alternative without', settings({ authenticationmethods: 'publickey password' }), 'fail'],
    ['no other method', settings({ passwordauthentication: 'no', kbdinteractiveauthentication: 'no' }), 'pass'],
    ['keys are off', settings({ pubkeyauthentication: 'no', authenticationmethods: 'publickey' }), 'fail'],
  ],
  'ssh.moduli': [
    ['large', settings({ kexalgorithms: 'diffie-hellman-group-exchange-sha256' }, moduli(0)), 'pass'],
    ['small', settings({ kexalgorithms: 'diffie-hellman-group-exchange-sha256' }, moduli(1)), 'fail'],
    // The default since OpenSSH 10.0.
    ['not offered', settings({ kexalgorithms: 'curve25519-sha256' }, moduli(1)), 'notApplicable'],
    ['no file', access({ moduli: absent('/etc/ssh/moduli') }), 'notApplicable'],
    ['not read', access({ moduli: UNREAD }), 'unknown'],
  ],
  'ssh.public-address': [
    ['a private address', sockets('10.0.0.5', ['198.20.0.7']), 'pass'],
    ['every address, none public', sockets('0.0.0.0', []), 'pass'],
    ['every address, one public', sockets('::', ['198.20.0.7']), 'manual'],
    ['that address', sockets('198.20.0.7', ['198.20.0.7']), 'manual'],
    ['not read', access({ sockets: UNREAD }), 'unknown'],
    [
      'addresses not read',
      access({ sockets: seen([{ address: '::', port: 22 }], '/proc/net/tcp'), publicAddresses: UNREAD }),
      'unknown',
    ],
  ],
  'ssh.root-session': [
    ['nobody', access({ sessions: seen([], '/proc') }), 'pass'],
    ['a person', session('ada', NOW), 'pass'],
    ['root', session('root', NOW), 'fail'],
    ['not read', access({ sessions: UNREAD }), 'unknown'],
  ],
  'ssh.session-age': [
    ['today', session('ada', NOW - 3_600_000), 'pass'],
    ['two days', session('ada', NOW - 172_800_000), 'fail'],
    ['not known', session('ada', 0), 'unknown'],
  ],
  'ssh.session-limits': [
    ['default', settings({}), 'pass'],
    ['many before login', settings({ maxstartups: '100:30:200' }), 'fail'],
    ['many sessions', settings({ maxsessions: '50' }), 'fail'],
    ['no penalties', settings({ persourcepenalties: 'no' }), 'fail'],
  ],
  'ssh.trust-files': [
    ['none', access({}), 'pass'],
    ['hosts.equiv', access({ trustFiles: seen(['/etc/hosts.equiv'], '/etc') }), 'fail'],
    [
      'of a user',
      {
        ...access({ trustFiles: UNREAD }),
        accounts: accountsFact({
          users: seen([account({ trustFiles: seen(['/home/ada/.rhosts'], '/home/ada') })], '/etc/passwd'),
        }),
      },
      'fail',
    ],
    ['not read', access({ trustFiles: UNREAD }), 'unknown'],
    [
      'a home directory was not read',
      { ...access({}), accounts: accountsFact({ users: seen([account({ trustFiles: UNREAD })], '/etc/passwd') }) },
      'unknown',
    ],
  ],
  'ssh.user-certificate-revocation': [
    ['no CA', settings({}), 'notApplicable'],
    ['a CA', settings({ trustedusercakeys: '/etc/ssh/ca.pub' }), 'fail'],
    ['and a list', settings({ trustedusercakeys: '/etc/ssh/ca.pub', revokedkeys: '/etc/ssh/revoked' }), 'pass'],
  ],
};

t.same(
  SSH_ACCESS_CHECKS.map(({ id }) => id),
  Object.keys(ROWS),
);
for (const check of SSH_ACCESS_CHECKS) {
  const rows = (ROWS[check.id] ?? []).map(([name, facts, verdict]) => ({ name, facts, verdict }));
  const noServer = { name: 'no server', facts: {}, verdict: 'notApplicable' as const };
  judgeNodes(t, check, check.id === 'ssh.trust-files' ? rows : [...rows, noServer]);
}
