import t from 'tap';
import { acceptEnvironment } from '../../../../posture/check/ssh/accept-environment.ts';
import { SSH_ACCESS_CHECKS } from '../../../../posture/check/ssh/access-checks.ts';
import { clientAlive } from '../../../../posture/check/ssh/client-alive.ts';
import { configurationLoads } from '../../../../posture/check/ssh/configuration-loads.ts';
import { emptyPasswords } from '../../../../posture/check/ssh/empty-passwords.ts';
import { forwarding } from '../../../../posture/check/ssh/forwarding.ts';
import { hostBasedAuthentication } from '../../../../posture/check/ssh/host-based-authentication.ts';
import { keyboardInteractive } from '../../../../posture/check/ssh/keyboard-interactive.ts';
import { knownVulnerabilities } from '../../../../posture/check/ssh/known-vulnerabilities.ts';
import { logLevel } from '../../../../posture/check/ssh/log-level.ts';
import { loginGraceTime } from '../../../../posture/check/ssh/login-grace-time.ts';
import { maxAuthTries } from '../../../../posture/check/ssh/max-auth-tries.ts';
import { passwordAuthentication } from '../../../../posture/check/ssh/password-authentication.ts';
import { pendingReload } from '../../../../posture/check/ssh/pending-reload.ts';
import { permitUserEnvironment } from '../../../../posture/check/ssh/permit-user-environment.ts';
import { rootLogin } from '../../../../posture/check/ssh/root-login.ts';
import { strictModes } from '../../../../posture/check/ssh/strict-modes.ts';
import { weakAlgorithms } from '../../../../posture/check/ssh/weak-algorithms.ts';
import { x11Forwarding } from '../../../../posture/check/ssh/x11-forwarding.ts';
import { CHECKS } from '../../../../posture/check/registry.ts';
import type { Facts } from '../../../../posture/fact/facts.ts';
import type { SshContext, SshdFact } from '../../../../posture/fact/sshd.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import type { Severity, Verdict } from '../../../../posture/verdict.ts';
import { sshdFact } from '../../../fixture/facts.ts';
import { judgeNodes } from '../../../fixture/node-table.ts';
import type { NodeRow } from '../../../fixture/node-table.ts';

const CONFIG = '/etc/ssh/sshd_config';
const RUNNING = seen('running' as const, '/proc/611');

/** Defaults of `sshd -T` of OpenSSH 10.0p2, for the keywords that checks read. */
const DEFAULTS: Readonly<Record<string, readonly string[]>> = {
  acceptenv: [],
  allowagentforwarding: ['yes'],
  allowstreamlocalforwarding: ['yes'],
  allowtcpforwarding: ['yes'],
  authenticationmethods: ['any'],
  casignaturealgorithms: ['ssh-ed25519,ecdsa-sha2-nistp256,rsa-sha2-512,rsa-sha2-256'],
  ciphers: [
    'chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr',
  ],
  clientalivecountmax: ['3'],
  clientaliveinterval: ['0'],
  disableforwarding: ['no'],
  gatewayports: ['no'],
  hostbasedauthentication: ['no'],
  hostkeyalgorithms: ['ssh-ed25519-cert-v01@openssh.com,ssh-ed25519,ecdsa-sha2-nistp256,rsa-sha2-512,rsa-sha2-256'],
  ignorerhosts: ['yes'],
  kbdinteractiveauthentication: ['yes'],
  kexalgorithms: ['mlkem768x25519-sha256,sntrup761x25519-sha512,curve25519-sha256,ecdh-sha2-nistp256'],
  logingracetime: ['120'],
  loglevel: ['INFO'],
  macs: [
    'umac-64-etm@openssh.com,umac-128-etm@openssh.com,hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha1-etm@openssh.com,umac-64@openssh.com,umac-128@openssh.com,hmac-sha2-256,hmac-sha2-512,hmac-sha1',
  ],
  maxauthtries: ['6'],
  passwordauthentication: ['yes'],
  permitemptypasswords: ['no'],
  permitrootlogin: ['prohibit-password'],
  permittunnel: ['no'],
  permituserenvironment: ['no'],
  pubkeyacceptedalgorithms: ['ssh-ed25519,ecdsa-sha2-nistp256,rsa-sha2-512,rsa-sha2-256'],
  strictmodes: ['yes'],
  usepam: ['no'],
  x11forwarding: ['no'],
};

type Lines = Readonly<Record<string, string | readonly string[]>>;

function context(condition: string, base: SshContext['settings'], lines: Lines, firstLine: number): SshContext {
  const settings: Record<string, SshContext['settings'][string]> = { ...base };
  for (const [index, [keyword, value]] of Object.entries(lines).entries())
    settings[keyword.toLowerCase()] = {
      values: typeof value === 'string' ? [value] : value,
      source: `${CONFIG}:${String(firstLine + index)}`,
    };
  return { condition, settings };
}

/** A running sshd with these lines from line 1 on, and those of one Match block from line 101 on. */
function sshd(lines: Lines, match: Lines = {}, condition = '', present: SshdFact['present'] = RUNNING): Partial<Facts> {
  const defaults = Object.entries(DEFAULTS).map(
    ([keyword, values]) => [keyword, { values, source: 'default' }] as const,
  );
  const global = context('', Object.fromEntries(defaults), lines, 1);
  const contexts = condition === '' ? [global] : [global, context(condition, global.settings, match, 101)];
  return fact({ present, contexts: seen(contexts, CONFIG) });
}

function fact(overrides: Partial<SshdFact>): Partial<Facts> {
  return { sshd: sshdFact({ present: RUNNING, ...overrides }) };
}

/** What every check answers where there is no sshd, or where it cannot be read. */
const UNJUDGED: readonly NodeRow[] = [
  { name: 'no sshd', facts: {}, verdict: 'notApplicable', reason: /no SSH server/ },
  {
    name: 'not for us',
    facts: fact({ contexts: unreadable(CONFIG, 'permission denied (EACCES)') }),
    verdict: 'unknown',
    reason: /sshd_config: permission denied \(EACCES\)/,
  },
  {
    name: 'installed alone',
    facts: fact({ present: seen('installed', CONFIG) }),
    verdict: 'notApplicable',
    reason: /neither runs nor is enabled/,
  },
  {
    name: 'nobody could tell whether it is there',
    facts: fact({ present: unreadable('/proc', 'hidepid'), contexts: absent(CONFIG) }),
    verdict: 'unknown',
    reason: /hidepid/,
  },
];

/** What every check of the configuration answers where its keywords were not read. */
const EMPTY: NodeRow = {
  name: 'keyword not read',
  facts: fact({ contexts: seen([{ condition: '', settings: {} }], CONFIG) }),
  verdict: 'unknown',
  reason: /could not be read/,
};

type Row = readonly [lines: Lines, verdict: Verdict, severity?: Severity];
const rows = (all: readonly Row[]): readonly NodeRow[] =>
  all.map(([lines, verdict, severity]) => ({
    name: JSON.stringify(lines),
    facts: sshd(lines),
    verdict,
    ...(severity === undefined ? {} : { severity }),
  }));

judgeNodes(t, rootLogin, [
  ...rows([
    [{ PermitRootLogin: 'no' }, 'pass'],
    [{ PermitRootLogin: 'yes' }, 'fail'],
    [{ PermitRootLogin: 'prohibit-password' }, 'fail', 'low'],
    [{ PermitRootLogin: 'without-password' }, 'fail', 'low'],
    [{ PermitRootLogin: 'forced-commands-only' }, 'fail', 'low'],
    [{ PermitRootLogin: 'No' }, 'pass'],
    [{}, 'fail', 'low'],
  ]),
  {
    name: 'a Match block undoes it',
    facts: sshd({ PermitRootLogin: 'no' }, { PermitRootLogin: 'yes' }, 'Address 10.0.0.0/8'),
    verdict: 'fail',
    severity: 'high',
    seen: ['PermitRootLogin yes'],
    sources: [`${CONFIG}:101 (Match Address 10.0.0.0/8)`],
    reason: /^sshd uses PermitRootLogin yes for Match Address 10\.0\.0\.0\/8$/,
  },
  {
    name: 'enabled, but not running: the configuration is judged, and the evidence says so',
    facts: sshd({ PermitRootLogin: 'yes' }, {}, '', seen('enabled', '/etc/systemd/system')),
    verdict: 'fail',
    seen: ['PermitRootLogin yes', 'sshd is enabled, but does not run'],
    reason: /^sshd uses PermitRootLogin yes$/,
  },
  {
    name: 'of a second sshd',
    facts: fact({
      contexts: seen(
        ['no', 'yes'].map((each, index) => ({
          condition: '',
          settings: { permitrootlogin: { values: [each], source: `/etc/ssh/${String(index)}:1` } },
        })),
        CONFIG,
      ),
    }),
    verdict: 'fail',
    severity: 'high',
    sources: ['/etc/ssh/1:1'],
  },
  {
    name: 'the weakest of two comes first',
    facts: sshd({ PermitRootLogin: 'prohibit-password' }, { PermitRootLogin: 'yes' }, 'User root'),
    verdict: 'fail',
    severity: 'high',
    seen: ['PermitRootLogin yes', 'PermitRootLogin prohibit-password'],
  },
  {
    name: 'a Match block about something else inherits, and is not named twice',
    facts: sshd({ PermitRootLogin: 'yes' }, { X11Forwarding: 'no' }, 'User deploy'),
    verdict: 'fail',
    seen: ['PermitRootLogin yes'],
    sources: [`${CONFIG}:1`],
  },
  ...UNJUDGED,
  EMPTY,
]);

const keyFirst = 'publickey,password publickey,keyboard-interactive';
judgeNodes(t, passwordAuthentication, [
  ...rows([
    [{ PasswordAuthentication: 'no' }, 'pass'],
    [{ PasswordAuthentication: 'yes' }, 'fail'],
    [{}, 'fail'],
    [{ PasswordAuthentication: 'yes', AuthenticationMethods: keyFirst }, 'pass'],
    [{ PasswordAuthentication: 'yes', AuthenticationMethods: 'publickey password' }, 'fail'],
  ]),
  {
    name: 'for one user only',
    facts: sshd({ PasswordAuthentication: 'no' }, { PasswordAuthentication: 'yes' }, 'User backup'),
    verdict: 'fail',
    sources: [`${CONFIG}:101 (Match User backup)`],
  },
  ...UNJUDGED,
  EMPTY,
]);

judgeNodes(t, keyboardInteractive, [
  ...rows([
    [{ KbdInteractiveAuthentication: 'no', UsePAM: 'yes' }, 'pass'],
    [{ KbdInteractiveAuthentication: 'yes', UsePAM: 'yes' }, 'fail'],
    [{ KbdInteractiveAuthentication: 'yes', UsePAM: 'no' }, 'pass'],
    [{ KbdInteractiveAuthentication: 'yes', UsePAM: 'yes', AuthenticationMethods: keyFirst }, 'pass'],
    [{ KbdInteractiveAuthentication: 'yes', UsePAM: 'yes', AuthenticationMethods: 'keyboard-interactive' }, 'fail'],
  ]),
  ...UNJUDGED,
  EMPTY,
]);

judgeNodes(t, emptyPasswords, [
  ...rows([
    [{}, 'pass'],
    [{ PermitEmptyPasswords: 'yes' }, 'fail', 'critical'],
    [
      { PermitEmptyPasswords: 'yes', PasswordAuthentication: 'no', KbdInteractiveAuthentication: 'no' },
      'fail',
      'medium',
    ],
  ]),
  ...UNJUDGED,
  EMPTY,
]);

judgeNodes(t, x11Forwarding, [
  ...rows([
    [{}, 'pass'],
    [{ X11Forwarding: 'yes' }, 'fail'],
  ]),
  ...UNJUDGED,
  EMPTY,
]);

const closed = {
  AllowTcpForwarding: 'no',
  AllowStreamLocalForwarding: 'no',
  AllowAgentForwarding: 'no',
  PermitTunnel: 'no',
};
judgeNodes(t, forwarding, [
  ...rows([
    [{}, 'fail'],
    [{ DisableForwarding: 'yes' }, 'pass'],
    [closed, 'pass'],
    // Without forwarded ports there is nothing that a gateway port could open.
    [{ ...closed, GatewayPorts: 'yes' }, 'pass'],
    [{ ...closed, AllowTcpForwarding: 'local' }, 'fail'],
    [{ ...closed, PermitTunnel: 'point-to-point' }, 'fail'],
  ]),
  {
    name: 'sockets, which no peer looks at',
    facts: sshd({ ...closed, AllowStreamLocalForwarding: 'yes' }),
    verdict: 'fail',
    seen: ['AllowStreamLocalForwarding yes'],
    sources: [`${CONFIG}:2`],
  },
  ...UNJUDGED,
  EMPTY,
]);

judgeNodes(t, maxAuthTries, [
  ...rows([
    [{ MaxAuthTries: '4' }, 'pass'],
    [{ MaxAuthTries: '1' }, 'pass'],
    [{ MaxAuthTries: '5' }, 'fail'],
    [{}, 'fail'],
    [{ MaxAuthTries: 'many' }, 'fail'],
  ]),
  ...UNJUDGED,
  EMPTY,
]);

judgeNodes(t, loginGraceTime, [
  ...rows([
    [{ LoginGraceTime: '60' }, 'pass'],
    [{ LoginGraceTime: '1m' }, 'pass'],
    [{ LoginGraceTime: '1' }, 'pass'],
    // Unlimited, which a peer takes for the best value of all.
    [{ LoginGraceTime: '0' }, 'fail'],
    [{ LoginGraceTime: '0s' }, 'fail'],
    [{ LoginGraceTime: '61' }, 'fail'],
    [{ LoginGraceTime: '2m' }, 'fail'],
    [{}, 'fail'],
  ]),
  ...UNJUDGED,
  EMPTY,
]);

judgeNodes(t, clientAlive, [
  ...rows([
    [{ ClientAliveInterval: '300', ClientAliveCountMax: '3' }, 'pass'],
    [{ ClientAliveInterval: '5m', ClientAliveCountMax: '1' }, 'pass'],
    // 0 in either: sessions are never ended. The default of the interval.
    [{}, 'fail'],
    [{ ClientAliveInterval: '0', ClientAliveCountMax: '3' }, 'fail'],
    [{ ClientAliveInterval: '300', ClientAliveCountMax: '0' }, 'fail'],
    [{ ClientAliveInterval: '301', ClientAliveCountMax: '3' }, 'fail'],
    [{ ClientAliveInterval: '300', ClientAliveCountMax: '4' }, 'fail'],
  ]),
  ...UNJUDGED,
  EMPTY,
]);

judgeNodes(t, permitUserEnvironment, [
  ...rows([
    [{}, 'pass'],
    [{ PermitUserEnvironment: 'yes' }, 'fail'],
    [{ PermitUserEnvironment: 'LANG,LC_*' }, 'fail'],
    // sshd compares with `no` exactly; this is a pattern.
    [{ PermitUserEnvironment: 'No' }, 'fail'],
  ]),
  ...UNJUDGED,
  EMPTY,
]);

judgeNodes(t, acceptEnvironment, [
  ...rows([
    [{}, 'pass'],
    [{ AcceptEnv: ['LANG', 'LC_*', 'COLORTERM', 'NO_COLOR'] }, 'pass'],
    [{ AcceptEnv: 'LANG LC_*' }, 'pass'],
    [{ AcceptEnv: '*' }, 'fail'],
    [{ AcceptEnv: ['LANG', 'LD_*'] }, 'fail'],
    [{ AcceptEnv: 'LANG L?_PRELOAD' }, 'fail'],
  ]),
  ...UNJUDGED,
  EMPTY,
]);

judgeNodes(t, hostBasedAuthentication, [
  ...rows([
    [{}, 'pass'],
    [{ IgnoreRhosts: 'shosts-only' }, 'pass'],
    [{ HostbasedAuthentication: 'yes' }, 'fail', 'medium'],
    [{ IgnoreRhosts: 'no' }, 'fail', 'low'],
  ]),
  ...UNJUDGED,
  EMPTY,
]);

judgeNodes(t, strictModes, [
  ...rows([
    [{}, 'pass'],
    [{ StrictModes: 'no' }, 'fail'],
  ]),
  ...UNJUDGED,
  EMPTY,
]);

judgeNodes(t, logLevel, [
  ...rows([
    [{}, 'pass'],
    [{ LogLevel: 'VERBOSE' }, 'pass'],
    [{ LogLevel: 'QUIET' }, 'fail'],
    [{ LogLevel: 'FATAL' }, 'fail'],
    [{ LogLevel: 'ERROR' }, 'fail'],
    [{ LogLevel: 'DEBUG3' }, 'fail'],
  ]),
  ...UNJUDGED,
  EMPTY,
]);

const strongMacs = 'hmac-sha2-256-etm@openssh.com,umac-128-etm@openssh.com,hmac-sha2-512';
const strong = { MACs: strongMacs };
judgeNodes(t, weakAlgorithms, [
  ...rows([
    [strong, 'pass'],
    // What sshd offers out of the box: SHA-1 and 64-bit authentication.
    [{}, 'fail', 'low'],
    [{ MACs: 'hmac-md5' }, 'fail', 'medium'],
    [{ MACs: 'hmac-sha1-96' }, 'fail', 'medium'],
    [{ ...strong, Ciphers: 'aes128-ctr,aes128-cbc' }, 'fail', 'medium'],
    [{ ...strong, Ciphers: 'arcfour256' }, 'fail', 'medium'],
    [{ ...strong, Ciphers: 'rijndael-cbc@lysator.liu.se' }, 'fail', 'medium'],
    [{ ...strong, KexAlgorithms: 'curve25519-sha256,diffie-hellman-group14-sha1' }, 'fail', 'medium'],
    [{ ...strong, KexAlgorithms: 'diffie-hellman-group-exchange-sha1' }, 'fail', 'medium'],
    [{ ...strong, KexAlgorithms: 'diffie-hellman-group-exchange-sha256,diffie-hellman-group14-sha256' }, 'pass'],
    [{ ...strong, KexAlgorithms: 'gss-group1-sha1-toWM5Slw5Ew8Mqkay+al2g==' }, 'fail', 'medium'],
    [{ ...strong, HostKeyAlgorithms: 'ssh-rsa' }, 'fail', 'medium'],
    [{ ...strong, HostKeyAlgorithms: 'rsa-sha2-512,ssh-ed25519' }, 'pass'],
    [{ ...strong, PubkeyAcceptedAlgorithms: 'ssh-rsa-cert-v01@openssh.com' }, 'fail', 'medium'],
    [{ ...strong, CASignatureAlgorithms: 'ssh-dss' }, 'fail', 'medium'],
  ]),
  {
    name: 'only the weak ones are shown',
    facts: sshd({ ...strong, Ciphers: 'aes256-ctr,aes256-cbc,3des-cbc' }),
    verdict: 'fail',
    seen: ['Ciphers aes256-cbc,3des-cbc'],
    sources: [`${CONFIG}:2`],
  },
  {
    name: 'defaults of a version that is not known',
    facts: fact({ contexts: seen([{ condition: '', settings: {} }], CONFIG) }),
    verdict: 'unknown',
    reason: /Ciphers, MACs.*depend on the version/,
  },
  {
    name: 'what is weak is weak, whatever else is not known',
    facts: fact({
      contexts: seen(
        [{ condition: '', settings: { ciphers: { values: ['3des-cbc'], source: `${CONFIG}:1` } } }],
        CONFIG,
      ),
    }),
    verdict: 'fail',
    severity: 'medium',
  },
  ...UNJUDGED,
]);

judgeNodes(t, configurationLoads, [
  { name: 'accepted', facts: fact({ loads: seen({ accepted: true, reason: '' }, CONFIG) }), verdict: 'pass' },
  {
    name: 'refused',
    facts: fact({
      loads: seen({ accepted: false, reason: 'sshd does not know the keyword' }, `${CONFIG}:3`),
      contexts: unreadable(`${CONFIG}:3`, 'sshd refuses this'),
    }),
    verdict: 'fail',
    seen: ['refused: sshd does not know the keyword'],
    sources: [`${CONFIG}:3`],
  },
  { name: 'not for us', facts: fact({ loads: unreadable(CONFIG, 'denied') }), verdict: 'unknown', reason: /denied/ },
  { name: 'no file', facts: fact({}), verdict: 'fail', seen: ['the file does not exist'] },
  ...UNJUDGED.filter(({ name }) => name !== 'not for us'),
]);

const at = (hour: number): number => Date.UTC(2026, 10, 25, hour);
const times = (modified: number, started: number): Partial<Facts> =>
  fact({
    contexts: seen([{ condition: '', settings: {} }], CONFIG),
    files: [CONFIG],
    modifiedAtMs: modified,
    startedAtMs: started,
  });
judgeNodes(t, pendingReload, [
  { name: 'started later', facts: times(at(7), at(8)), verdict: 'pass' },
  {
    name: 'changed since',
    facts: times(at(9), at(8)),
    verdict: 'manual',
    seen: ['modified 2026-11-25T09:00:00Z, sshd started 2026-11-25T08:00:00Z'],
  },
  { name: 'start not known', facts: times(at(9), 0), verdict: 'unknown' },
  {
    name: 'socket activated',
    facts: fact({ present: seen('socketActivated', '/etc/systemd/system/ssh.socket') }),
    verdict: 'notApplicable',
  },
  { name: 'enabled', facts: fact({ present: seen('enabled', '/etc/systemd/system') }), verdict: 'notApplicable' },
  ...UNJUDGED,
]);

void t.test('every ssh check is tested here', (t) => {
  const tested = [
    acceptEnvironment,
    clientAlive,
    configurationLoads,
    emptyPasswords,
    forwarding,
    hostBasedAuthentication,
    keyboardInteractive,
    knownVulnerabilities,
    logLevel,
    loginGraceTime,
    maxAuthTries,
    passwordAuthentication,
    pendingReload,
    permitUserEnvironment,
    rootLogin,
    strictModes,
    weakAlgorithms,
    x11Forwarding,
  ].map(({ id }) => id);
  // Those of the table have a test of their own.
  const tabled = new Set(SSH_ACCESS_CHECKS.map(({ id }) => id));
  t.strictSame(
    CHECKS.filter(({ judges }) => judges === 'sshd')
      .map(({ id }) => id)
      .filter((id) => !tabled.has(id)),
    tested.sort(),
  );
  t.end();
});

const LOCAL = '/usr/local/sbin/sshd';
const release = (version: string, source = LOCAL): Partial<Facts> => fact({ version: seen(version, source) });

judgeNodes(t, knownVulnerabilities, [
  // Affected and fixed releases by openssh.com/security.html, the CVE records, and secfixes of Alpine.
  { name: 'own build with all fixes', facts: release('OpenSSH_10.6p2'), verdict: 'pass', seen: ['OpenSSH_10.6p2'] },
  {
    name: 'own build without the fix for musl',
    facts: release('OpenSSH_10.6p1'),
    verdict: 'manual',
    reason: /CVE-2026-123158 is in builds with musl/,
  },
  {
    name: 'own build of 10.5',
    facts: release('OpenSSH_10.5p1'),
    verdict: 'fail',
    reason: /^fixes of CVE-2026-106553, CVE-2026-106585 are missing$/,
  },
  {
    name: '9.9p2 has one fix more than 9.9p1',
    facts: release('OpenSSH_9.9p2'),
    verdict: 'fail',
    reason: /^fixes of CVE-2025-32728, CVE-2026-35387/,
  },
  { name: '9.9p1', facts: release('OpenSSH_9.9p1'), verdict: 'fail', reason: /^fixes of CVE-2025-26466, / },
  { name: 'the last with the race', facts: release('OpenSSH_9.7p1'), verdict: 'fail', reason: /CVE-2024-6387/ },
  {
    name: 'before the race came back: 8.4 has others',
    facts: release('OpenSSH_8.4p1'),
    verdict: 'fail',
    reason: /^fixes of CVE-2021-41617, CVE-2023-48795, CVE-2025-32728, /,
  },
  {
    name: '10.10 is after 10.6',
    facts: release('OpenSSH_10.10p1'),
    verdict: 'pass',
  },
  {
    name: 'a build of Debian',
    facts: release('OpenSSH_10.0p2 Debian-7+deb13u4', '/usr/sbin/sshd'),
    verdict: 'unknown',
    reason: /CVE-2026-35414.*distribution may have them/,
  },
  {
    name: 'the mark of a distribution, wherever it is',
    facts: release('OpenSSH_8.9p1 Ubuntu-3ubuntu0.10'),
    verdict: 'unknown',
  },
  {
    name: 'RHEL does not mark its build',
    facts: release('OpenSSH_8.7p1', '/usr/sbin/sshd'),
    verdict: 'unknown',
    reason: /CVE-2024-6387/,
  },
  {
    name: 'only the package of Alpine can be read',
    facts: release('openssh-server 9.7_p1-r4', '/lib/apk/db/installed'),
    verdict: 'unknown',
    reason: /CVE-2024-6387/,
  },
  {
    name: 'a package of Debian with all fixes',
    facts: release('openssh-server 10.7p1-1', '/var/lib/dpkg/status'),
    verdict: 'pass',
  },
  ...['OpenSSH_10.6', 'OpenSSH_10.6p2.1', 'OpenSSH_1000.6p2', 'dropbear_2026.91'].map((version) => ({
    name: `not a version: ${version}`,
    facts: release(version),
    verdict: 'unknown' as const,
    reason: /not understood/,
  })),
  {
    name: 'data of more than a year',
    facts: { ...release('OpenSSH_10.6p2'), clock: { nowMs: Date.UTC(2028, 0, 1) } },
    verdict: 'unknown',
    reason: /update Plimsoll/,
  },
  {
    name: 'what was missing then is still missing',
    facts: { ...release('OpenSSH_9.7p1'), clock: { nowMs: Date.UTC(2028, 0, 1) } },
    verdict: 'fail',
  },
  {
    name: 'the program was replaced while it runs',
    facts: fact({ version: unreadable('/usr/sbin/sshd (deleted)', 'its version was not found') }),
    verdict: 'unknown',
  },
  ...UNJUDGED.filter(({ name }) => name !== 'not for us'),
]);
