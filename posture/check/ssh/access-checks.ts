import type { Facts } from '../../fact/facts.ts';
import type { SshAccessFact } from '../../fact/ssh-access.ts';
import type { Observed } from '../../observed.ts';
import { fail, manual, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence, Judgement } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import type { NodeCheck, RuleText } from '../check.ts';
import { isoTime, quote, quoteList } from '../evidence-text.ts';
import { judgeList } from '../judge-list.ts';
import { longList } from '../long-list.ts';
import { onlyBehindKey } from './authentication-methods.ts';
import { evidenceOf, inEffect, sshCheck, withoutServer } from './setting.ts';

const MANUAL = 'https://man.openbsd.org/sshd_config';
const HOUR_MS = 3_600_000;
/** A host key this much older than the identity of the host was in the image. First boot itself takes minutes. */
const IMAGE_AGE_MS = HOUR_MS;
/** A session that lasts longer was forgotten. */
const MAX_SESSION_MS = 24 * HOUR_MS;

/** A check of how the server is reached; `judge` gets what was seen. */
function accessCheck<K extends keyof SshAccessFact>({
  reads,
  reference,
  whenAbsent,
  judge,
  ...text
}: Omit<RuleText, 'severityLevels'> & {
  readonly reads: K;
  readonly reference: string;
  /** Why there is nothing to judge where it is absent. */
  readonly whenAbsent: string;
  readonly judge: (
    value: SshAccessFact[K] extends Observed<infer T> ? T : never,
    source: string,
    facts: Pick<Facts, 'sshAccess' | 'sshd' | 'clock'>,
  ) => Judgement;
}): NodeCheck {
  return nodeCheck({
    judgedBy: 'effect',
    ...text,
    references: [reference],
    judges: 'sshd',
    needs: ['sshAccess', 'sshd', 'clock'],
    judge: (facts) => {
      const unserved = withoutServer(facts.sshd.present);
      if (unserved !== undefined) return unserved;
      const observed = facts.sshAccess[reads];
      if (observed.state === 'unreadable') return unknownBecause(`${observed.source}: ${observed.reason}`);
      if (observed.state === 'absent') return notApplicable(whenAbsent);
      return judge(observed.value as Parameters<typeof judge>[0], observed.source, facts);
    },
  });
}

/** Does the server offer a key exchange that takes its groups from the file of moduli? */
function offersGroupExchange({ contexts }: Facts['sshd']): boolean {
  const offered = contexts.state === 'seen' ? contexts.value[0]?.settings['kexalgorithms']?.values : undefined;
  return offered === undefined || offered.join(',').includes('diffie-hellman-group-exchange');
}

function judgeReach(
  sockets: readonly { readonly address: string; readonly port: number }[],
  source: string,
  { publicAddresses }: SshAccessFact,
): Judgement {
  const seen = quoteList(sockets.map(({ address, port }) => `${address} port ${String(port)}`));
  const expected = 'no address that is routed on the internet';
  const isWild = sockets.some(({ address }) => address === '0.0.0.0' || address === '::');
  if (publicAddresses.state === 'unreadable')
    return unknownBecause(`${publicAddresses.source}: ${publicAddresses.reason}`, { source, seen, expected });
  const all = publicAddresses.state === 'seen' ? publicAddresses.value : [];
  const reached = all.filter((address) => isWild || sockets.some((socket) => socket.address === address));
  if (reached.length === 0) return pass({ source, seen, expected });
  const evidence = { source: publicAddresses.source, seen: quoteList(reached), expected };
  return manual(
    'confirm that a firewall limits who reaches sshd on these addresses',
    { source, seen, expected },
    evidence,
  );
}

const isSet = (value: string): boolean => value !== '' && value !== 'none';

/** Checks of who reaches the SSH server, with what, and how long. */
export const SSH_ACCESS_CHECKS: readonly NodeCheck[] = Object.freeze([
  sshCheck({
    id: 'ssh.allow-list',
    title: 'SSH logins are limited to named users or groups',
    failTitle: 'SSH logins are open to every account',
    severity: 'medium',
    rationale:
      'Without a list, every account that gets a password or a key later can log in, accounts of services included.',
    remediation:
      'Create a group, add the accounts of people who log in to it, yours among them, and set AllowGroups to it in sshd_config. Run sshd -t, reload sshd, and log in again before you close the open session.',
    keywords: ['AllowUsers', 'AllowGroups'],
    optional: ['DenyUsers', 'DenyGroups'],
    judge: ({ AllowUsers: users, AllowGroups: groups, DenyUsers: notUsers, DenyGroups: notGroups }) => {
      const expected = 'AllowUsers or AllowGroups, without *';
      const evidence = [evidenceOf(users, expected), evidenceOf(groups, expected)];
      const lists = [users, groups].filter(({ values }) => values.length > 0);
      // `*@address` is every user from there.
      const isOpen = ({ values }: { readonly values: readonly string[] }): boolean =>
        values.some((value) => /^\*(?:@\*)?$/.test(value));
      if (lists.some((list) => !isOpen(list))) return pass(...evidence);
      if (lists.length > 0) return fail(`the list contains *, which is everyone${lists[0]?.scope ?? ''}`, ...evidence);
      const denied = [notUsers, notGroups].filter(({ values }) => values.length > 0);
      return fail(
        'every account that is not denied may log in',
        ...evidence,
        ...denied.map((each) => evidenceOf(each, expected)),
      );
    },
  }),
  sshCheck({
    id: 'ssh.authorized-keys-command',
    title: 'Key command of sshd runs as its own user',
    failTitle: 'Key command of sshd runs as root',
    severity: 'medium',
    rationale:
      'sshd runs this command before anyone has logged in, with a user name that a stranger chose. As root, a bug in it is a bug in the front door.',
    remediation: 'Create an account for the command, set AuthorizedKeysCommandUser to it, and reload sshd.',
    keywords: ['AuthorizedKeysCommand', 'AuthorizedKeysCommandUser'],
    judge: ({ AuthorizedKeysCommand: command, AuthorizedKeysCommandUser: user }) => {
      if (!isSet(command.value)) return notApplicable('no command gives keys', evidenceOf(command, 'none'));
      const evidence = [evidenceOf(user, 'an account of its own'), evidenceOf(command, 'listed')];
      return user.value === 'root' ? fail(inEffect(user), ...evidence) : pass(...evidence);
    },
  }),
  accessCheck({
    id: 'ssh.host-key-origin',
    title: 'SSH host keys were created on this host',
    failTitle: 'SSH host keys were part of the image',
    severity: 'high',
    rationale:
      'Every host that was started from the image has the same keys: whoever has one host can impersonate all others to administrators.',
    remediation:
      'Remove /etc/ssh/ssh_host_*_key*, create new keys (ssh-keygen -A), restart sshd, and remove the keys from the image.',
    reference: 'https://man.openbsd.org/ssh-keygen',
    reads: 'hostKeys',
    whenAbsent: 'there are no host keys',
    judge: (keys, source, { sshAccess: { installedAtMs: installed } }) => {
      if (installed.state === 'unreadable') return unknownBecause(`${installed.source}: ${installed.reason}`);
      if (installed.state === 'absent')
        return notApplicable(`${installed.source} does not exist, so the age of the host is not known`);
      const expected = `not older than the identity of the host (${isoTime(installed.value)})`;
      return judgeList({
        failed: keys
          .filter(({ modifiedAtMs }) => modifiedAtMs < installed.value - IMAGE_AGE_MS)
          .map(({ path, modifiedAtMs, fingerprint }) => ({
            source: path,
            seen: `${isoTime(modifiedAtMs)} ${fingerprint}`,
            expected,
          })),
        unread: [],
        passed: { source, seen: quoteList(keys.map(({ fingerprint }) => fingerprint)), expected },
        reason: 'a host key is older than the host',
      });
    },
  }),
  accessCheck({
    id: 'ssh.host-key-strength',
    title: 'SSH host keys are strong enough',
    failTitle: 'SSH host keys are too weak',
    severity: 'medium',
    rationale: 'Whoever computes the private key of a DSA or short RSA key can impersonate the host for good.',
    remediation:
      'Remove the named keys and their HostKey lines. ssh-keygen -A creates what is missing; for RSA use ssh-keygen -t rsa -b 3072 -f FILE.',
    reference: MANUAL,
    reads: 'hostKeys',
    whenAbsent: 'there are no host keys',
    judge: (keys, source) => {
      const expected = 'Ed25519, ECDSA, or RSA of at least 2048 bits';
      const text = ({ type, bits }: (typeof keys)[number]): string => `${type} ${String(bits)} bits`;
      return judgeList({
        failed: keys
          .filter(({ type, bits }) => type === 'ssh-dss' || (type === 'ssh-rsa' && bits < 2048))
          .map((key) => ({ source: key.path, seen: text(key), expected })),
        unread: [],
        passed: { source, seen: quoteList(keys.map(text)), expected },
        reason: 'a host key can be computed',
      });
    },
  }),
  sshCheck({
    id: 'ssh.key-required',
    title: 'Every SSH login needs a key',
    failTitle: 'SSH logins are possible without a key',
    severity: 'medium',
    rationale: 'A login without a key is one that can be guessed or phished. A key in every alternative ends that.',
    remediation:
      'First log in with a key as each account that has to. Then set PubkeyAuthentication yes and AuthenticationMethods publickey (or publickey,keyboard-interactive for a second factor), run sshd -t, reload sshd, and log in again before you close the open session.',
    keywords: [
      'PubkeyAuthentication',
      'AuthenticationMethods',
      'PasswordAuthentication',
      'KbdInteractiveAuthentication',
    ],
    judge: (settings) => {
      const { PubkeyAuthentication: key, AuthenticationMethods: methods } = settings;
      const evidence = [evidenceOf(key, 'yes'), evidenceOf(methods, 'publickey in every alternative')];
      if (key.value !== 'yes') return fail(`keys are not accepted${key.scope}`, ...evidence);
      const open = [
        [settings.PasswordAuthentication, 'password'],
        [settings.KbdInteractiveAuthentication, 'keyboard-interactive'],
      ] as const;
      const without = open.filter(([setting, name]) => setting.value !== 'no' && !onlyBehindKey(methods.values, name));
      return without.length === 0
        ? pass(...evidence)
        : fail('a login needs no key', ...evidence, ...without.map(([setting]) => evidenceOf(setting, 'no')));
    },
  }),
  accessCheck({
    id: 'ssh.moduli',
    title: 'Groups for SSH key exchange are large enough',
    failTitle: 'Groups for SSH key exchange are too small',
    severity: 'low',
    rationale:
      'With group exchange, the server picks a group of its file. Groups of 2048 bits and less are the ones that can be attacked once for many connections.',
    remediation:
      "Keep only large groups: awk '$5 >= 3071' /etc/ssh/moduli > /etc/ssh/moduli.new, then replace the file. Or leave diffie-hellman-group-exchange out of KexAlgorithms.",
    reference: 'https://man.openbsd.org/moduli',
    reads: 'moduli',
    whenAbsent: 'the file of groups does not exist, so sshd uses its built-in ones',
    judge: ({ count, weak, smallestBits }, source, { sshd }) => {
      const evidence = {
        source,
        seen: `${String(weak)} of ${String(count)} groups below 3071 bits, smallest ${String(smallestBits)}`,
        expected: 'no group below 3071 bits',
      };
      if (!offersGroupExchange(sshd)) return notApplicable('sshd does not offer group exchange', evidence);
      return weak === 0 ? pass(evidence) : fail('sshd may choose a group that is too small', evidence);
    },
  }),
  accessCheck({
    id: 'ssh.public-address',
    title: 'sshd listens on no public address of the host',
    failTitle: 'sshd listens on a public address of the host',
    severity: 'medium',
    rationale:
      'On an address of the internet, guessing starts within minutes, and every new flaw of sshd is tried the same day.',
    remediation:
      'Set ListenAddress to an address of the management network, or limit the sources by the firewall of the host or of the cloud.',
    reference: MANUAL,
    reads: 'sockets',
    whenAbsent: 'sshd does not listen',
    judge: (sockets, source, { sshAccess }) => judgeReach(sockets, source, sshAccess),
  }),
  accessCheck({
    id: 'ssh.root-session',
    title: 'No SSH session of root is open',
    failTitle: 'SSH sessions of root are open',
    severity: 'low',
    rationale: 'A session of root says nothing about which person acts, and everything typed in it has full rights.',
    remediation: 'Find out who it is (loginctl, ss -tp). Log in as a person and use sudo; set PermitRootLogin no.',
    reference: MANUAL,
    reads: 'sessions',
    whenAbsent: 'sshd does not run',
    judge: (sessions, source) => {
      const expected = 'no session of root';
      const failed = sessions
        .filter(({ user }) => user === 'root')
        .map(({ pid, startedAtMs }) => ({
          source: `/proc/${String(pid)}`,
          seen: `root since ${isoTime(startedAtMs)}`,
          expected,
        }));
      const passed = { source, seen: `${String(sessions.length)} sessions, none of root`, expected };
      const judgement = judgeList({ failed, unread: [], passed, reason: 'root is logged in over SSH' });
      // The collector reports a session that is new, whoever it is.
      const others = sessions.flatMap(({ pid, user, startedAtMs }) => {
        const path = `/proc/${String(pid)}`;
        const evidence = { source: path, seen: `${quote(user)} since ${isoTime(startedAtMs)}`, expected };
        const isShown = judgement.evidence.some((piece) => piece.source === path);
        return isShown ? [] : [{ evidence, name: `${path}: ${quote(user)}` }];
      });
      return { ...judgement, evidence: [...judgement.evidence, ...longList(others, { source, expected })] };
    },
  }),
  accessCheck({
    id: 'ssh.session-age',
    title: 'No SSH session is older than a day',
    failTitle: 'SSH sessions are older than a day',
    severity: 'low',
    rationale:
      'A forgotten session is a way in for whoever reaches the terminal or the agent behind it, also after the key was removed.',
    remediation:
      'End the session (loginctl terminate-session ID, or kill PID). ClientAliveInterval ends those that do not answer.',
    reference: MANUAL,
    reads: 'sessions',
    whenAbsent: 'sshd does not run',
    judge: (sessions, source, { clock: { nowMs } }) => {
      const expected = 'at most 24 hours';
      const failed = sessions
        .filter(({ startedAtMs }) => startedAtMs > 0 && nowMs - startedAtMs > MAX_SESSION_MS)
        .map(({ user, pid, startedAtMs }) => ({
          source: `/proc/${String(pid)}`,
          seen: `${quote(user)} since ${isoTime(startedAtMs)}`,
          expected,
        }));
      const unread = sessions.some(({ startedAtMs }) => startedAtMs === 0)
        ? ['the start of a session could not be read']
        : [];
      return judgeList({
        failed,
        unread,
        passed: { source, seen: `${String(sessions.length)} sessions, none older`, expected },
        reason: 'an SSH session is older than a day',
      });
    },
  }),
  sshCheck({
    id: 'ssh.session-limits',
    title: 'SSH connections before login are limited',
    failTitle: 'SSH connections before login are not limited',
    severity: 'low',
    rationale:
      'Without limits one client holds all slots before login, guesses over many connections at a time, or opens sessions that are logged once.',
    remediation: 'Set MaxStartups 10:30:60 and MaxSessions 10, remove PerSourcePenalties no, and reload sshd.',
    keywords: ['MaxStartups', 'MaxSessions'],
    optional: ['PerSourcePenalties'],
    judge: ({ MaxStartups: startups, MaxSessions: sessions, PerSourcePenalties: penalties }) => {
      const evidence = [evidenceOf(startups, 'starts at 10 or fewer'), evidenceOf(sessions, '10 or fewer')];
      const begin = Number((startups.value.split(':', 1)[0] ?? '') || Number.NaN);
      if (!Number.isSafeInteger(begin) || !/^\d{1,9}$/.test(sessions.value))
        return unknownBecause('MaxStartups or MaxSessions is not a number', ...evidence);
      if (penalties.value === 'no') return fail(inEffect(penalties), evidenceOf(penalties, 'not no'));
      if (begin > 10) return fail(inEffect(startups), ...evidence);
      return Number(sessions.value) > 10 ? fail(inEffect(sessions), ...evidence) : pass(...evidence);
    },
  }),
  nodeCheck({
    id: 'ssh.trust-files',
    title: 'No file trusts users of other hosts',
    failTitle: 'Files trust users of other hosts',
    judgedBy: 'effect',
    severity: 'medium',
    rationale:
      'hosts.equiv, .rhosts and their kin let users of other hosts in without a password as soon as a service honours them. A line + + is everyone.',
    remediation: 'Remove the named files. Set IgnoreRhosts yes and HostbasedAuthentication no.',
    references: ['https://man7.org/linux/man-pages/man5/hosts.equiv.5.html'],
    judges: 'node',
    needs: ['sshAccess', 'accounts'],
    judge: ({ sshAccess: { trustFiles }, accounts: { users } }) => {
      const expected = 'no such file';
      const evidence = (source: string, seen: string): Evidence => ({ source, seen, expected });
      const ofHost = trustFiles.state === 'seen' ? trustFiles.value.map((path) => evidence(path, 'exists')) : [];
      const accounts = users.state === 'seen' ? users.value : [];
      const ofUsers = accounts.flatMap(({ name, trustFiles: own }) =>
        own.state === 'seen' ? own.value.map((path) => evidence(path, `${quote(name)}: exists`)) : [],
      );
      const unread = [trustFiles, users, ...accounts.map((account) => account.trustFiles)].flatMap((each) =>
        each.state === 'unreadable' ? [`${each.source}: ${each.reason}`] : [],
      );
      return judgeList({
        failed: [...ofHost, ...ofUsers],
        unread,
        passed: evidence('/etc', 'none exists'),
        reason: 'a file trusts users of other hosts',
      });
    },
  }),
  sshCheck({
    id: 'ssh.user-certificate-revocation',
    title: 'SSH user certificates can be revoked',
    failTitle: 'SSH user certificates cannot be revoked',
    severity: 'low',
    rationale:
      'A certificate of a trusted CA opens every host until it expires. Without a revocation list a stolen one cannot be stopped.',
    remediation:
      'Create a revocation list (ssh-keygen -k -f /etc/ssh/revoked_keys), set RevokedKeys to it, and reload sshd.',
    keywords: ['TrustedUserCAKeys', 'RevokedKeys'],
    judge: ({ TrustedUserCAKeys: authority, RevokedKeys: revoked }) => {
      const evidence = [evidenceOf(authority, 'listed'), evidenceOf(revoked, 'a file')];
      if (!isSet(authority.value)) return notApplicable('sshd trusts no CA for users', ...evidence);
      return isSet(revoked.value) ? pass(...evidence) : fail('a certificate that was stolen stays valid', ...evidence);
    },
  }),
]);
