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
import { seen, unreadable } from '../../../../posture/observed.ts';
import type { Severity, Verdict } from '../../../../posture/verdict.ts';
import { judgeNodes } from '../../../fixture/node-table.ts';
import type { NodeRow } from '../../../fixture/node-table.ts';
import { CONFIG, fact, RUNNING, UNJUDGED } from './sshd-facts.ts';

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
