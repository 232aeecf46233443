import type { Account, AccountsFact, AuthorizedKey } from '../../fact/accounts.ts';
import type { Facts } from '../../fact/facts.ts';
import { manual, notApplicable, unknownBecause } from '../../verdict.ts';
import type { Evidence, Judgement } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import type { NodeCheck } from '../check.ts';
import { quote, quoteList } from '../evidence-text.ts';
import { judgeList } from '../judge-list.ts';
import { longList } from '../long-list.ts';
import { withoutServer } from '../ssh/setting.ts';

const SHADOW_MANUAL = 'https://man7.org/linux/man-pages/man5/shadow.5.html';
const KEYS_MANUAL = 'https://man.openbsd.org/sshd#AUTHORIZED_KEYS_FILE_FORMAT';

/** Groups whose members become root without a password: raw disks, password hashes, containers and machines of root. */
const ROOT_GROUPS: ReadonlySet<string> = new Set(['disk', 'incus-admin', 'kmem', 'libvirt', 'lxd', 'root', 'shadow']);

/** Characters of a fingerprint that tell a key from others: 96 bits. */
const FINGERPRINT_LENGTH = 'SHA256:'.length + 16;
/** Characters of the options of a key. */
const MAX_OPTIONS = 120;
/** Pieces of evidence where the collector reports each that is new: all that a finding can have. */
const MAX_EVIDENCE = 32;

/** Options that keep a key from a free shell of root. */
const RESTRICTIONS = ['from', 'command', 'restrict'];

/** The user that Fedora CoreOS and Flatcar create for administrators, with a user id of system accounts. */
const isCoreUser = ({ name, uid }: Account): boolean => name === 'core' && uid === 500;

/** Judges the accounts; unknown where they could not be read. */
function ofUsers(accounts: AccountsFact, judge: (users: readonly Account[], source: string) => Judgement): Judgement {
  const { users } = accounts;
  if (users.state === 'unreadable') return unknownBecause(`${users.source}: ${users.reason}`);
  if (users.state === 'absent') return notApplicable(`${users.source} does not exist: the host has no accounts`);
  return judge(users.value, users.source);
}

/** A judgement of the kind of each password. `wrong` says what is wrong about one. */
function judgePasswords(
  accounts: AccountsFact,
  { expected, reason, wrong }: { expected: string; reason: string; wrong: (user: Account) => string | undefined },
): Judgement {
  const { shadow } = accounts;
  return ofUsers(accounts, (users) => {
    const source = '/etc/shadow';
    const failed = users.flatMap((user): readonly Evidence[] => {
      const seen = wrong(user);
      return seen === undefined ? [] : [{ source, seen: `${quote(user.name)}: ${seen}`, expected }];
    });
    const isUnread = users.some(({ password }) => password === 'unknown');
    const why = shadow.state === 'unreadable' ? `${shadow.source}: ${shadow.reason}` : `${source} was not read`;
    return judgeList({
      failed,
      unread: isUnread ? [why] : [],
      passed: { source, seen: `${String(users.length)} accounts, each as expected`, expected },
      reason,
    });
  });
}

/** A judgement of the keys that may log in. `wrong` says what is wrong about one. */
function judgeKeys(
  { accounts, sshd }: Pick<Facts, 'accounts' | 'sshd'>,
  {
    expected,
    reason,
    of,
    wrong,
  }: {
    expected: string;
    reason: string;
    of: (user: Account) => boolean;
    wrong: (key: AuthorizedKey) => boolean;
  },
): Judgement {
  return (
    withoutServer(sshd.present) ??
    ofUsers(accounts, (users, source) => {
      const failed: Evidence[] = [];
      const unread: string[] = [];
      let count = 0;
      for (const user of users.filter(of)) {
        const { authorizedKeys: keys } = user;
        if (keys.state === 'unreadable') unread.push(`keys of ${quote(user.name)}: ${keys.source}: ${keys.reason}`);
        if (keys.state !== 'seen') continue;
        count += keys.value.length;
        for (const key of keys.value)
          if (wrong(key)) failed.push({ source: key.path, seen: `${quote(user.name)}: ${keyText(key)}`, expected });
      }
      return judgeList({
        failed,
        unread,
        passed: { source, seen: count === 0 ? 'no keys' : `${String(count)} keys, each as expected`, expected },
        reason,
      });
    })
  );
}

/**
 * The keys that may log in and are not evidence yet: the first of each account, then the second of each, and so on. An
 * account with many keys displaces none of another.
 */
function otherKeys({ users }: AccountsFact, known: readonly Evidence[], expected: string): readonly Evidence[] {
  const all = (users.state === 'seen' ? users.value : []).flatMap(({ name, authorizedKeys: keys }) =>
    (keys.state === 'seen' ? keys.value : []).map((key, index) => ({
      index,
      evidence: { source: key.path, seen: `${quote(name)}: ${keyText(key)}`, expected },
      name: `${quote(name)}: ${key.fingerprint.slice(0, FINGERPRINT_LENGTH)}, ${optionsText(key)}`,
    })),
  );
  const isKnown = ({ source, seen }: Evidence): boolean =>
    known.some((piece) => piece.source === source && piece.seen === seen);
  return longList(
    all.filter(({ evidence }) => !isKnown(evidence)).toSorted((one, other) => one.index - other.index),
    { source: users.source, expected },
  );
}

function keyText(key: AuthorizedKey): string {
  return `${key.type} ${String(key.bits)} bits ${key.fingerprint}, ${optionsText(key)}`;
}

/** Whoever writes the file chooses the options: they must not fill the evidence. */
function optionsText({ options }: AuthorizedKey): string {
  const text = options.length === 0 ? 'no options' : `options ${options.join(', ')}`;
  return text.length <= MAX_OPTIONS ? text : `${text.slice(0, MAX_OPTIONS)}…`;
}

function isSystemAccount(user: Account, { systemUidMax }: AccountsFact): boolean {
  return user.uid > 0 && user.uid <= systemUidMax && !isCoreUser(user);
}

/** Whom a rule names: the accounts of a user, group or `ALL`; undefined where this host does not list the name. */
function membersOf(who: string, accounts: AccountsFact, users: readonly Account[]): readonly Account[] | undefined {
  if (who === 'ALL') return users;
  if (!who.startsWith('%')) {
    const named = users.filter(({ name, uid }) => name === who || `#${String(uid)}` === who);
    return named.length === 0 ? undefined : named;
  }
  const groups = accounts.groups.state === 'seen' ? accounts.groups.value : [];
  const group = groups.find(({ name, gid }) => `%${name}` === who || `%#${String(gid)}` === who);
  return group && users.filter(({ name, gid }) => group.members.includes(name) || gid === group.gid);
}

function judgeSudo(accounts: AccountsFact): Judgement {
  const { sudo, groups } = accounts;
  if (sudo.state === 'absent') return notApplicable('neither sudo nor doas is configured on this host');
  if (sudo.state === 'unreadable') return unknownBecause(`${sudo.source}: ${sudo.reason}`);
  if (groups.state === 'unreadable') return unknownBecause(`${groups.source}: ${groups.reason}`);
  return ofUsers(accounts, (users) => {
    const expected = 'a password is asked for';
    const open: Evidence[] = [];
    const unconfirmed: Evidence[] = [];
    const unread: string[] = [];
    for (const rule of sudo.value.filter(({ allCommands, noPassword }) => allCommands && noPassword)) {
      const evidence = { source: rule.source, seen: `NOPASSWD: ALL for ${quoteList(rule.who)}`, expected };
      const members = rule.who.map((who) => membersOf(who, accounts, users));
      const others = members.flatMap((each) => each ?? []).filter(({ uid, canLogin }) => uid !== 0 && canLogin);
      if (others.some(({ password }) => password !== 'locked' && password !== 'unknown')) open.push(evidence);
      else if (others.some(({ password }) => password === 'unknown'))
        unread.push(
          `${rule.source}: whether the accounts have a password is not known, since /etc/shadow was not read`,
        );
      // Accounts of a directory service are not listed here. A rule for nobody who can log in gives nothing.
      else if (others.length > 0 || members.includes(undefined)) unconfirmed.push(evidence);
    }
    const passed = { source: sudo.source, seen: 'no rule runs all commands without a password', expected };
    const reason = 'an account that has a password becomes root without it';
    return open.length === 0 && unread.length === 0 && unconfirmed.length > 0
      ? manual('confirm that these are administrators who log in with a key', ...unconfirmed.slice(0, 8))
      : judgeList({ failed: open, unread, passed, reason, maxEvidence: MAX_EVIDENCE });
  });
}

function judgeRootGroups(accounts: AccountsFact): Judgement {
  const { groups } = accounts;
  if (groups.state === 'unreadable') return unknownBecause(`${groups.source}: ${groups.reason}`);
  if (groups.state === 'absent') return notApplicable(`${groups.source} does not exist`);
  return ofUsers(accounts, (users) => {
    const expected = 'no member who can log in';
    const failed = groups.value
      .filter(({ name }) => ROOT_GROUPS.has(name))
      .flatMap(({ name }): readonly Evidence[] => {
        const members = (membersOf(`%${name}`, accounts, users) ?? []).filter(
          ({ uid, canLogin }) => uid !== 0 && canLogin,
        );
        const names = members.map((user) => user.name);
        return names.length === 0 ? [] : [{ source: groups.source, seen: `${name}: ${quoteList(names)}`, expected }];
      });
    return judgeList({
      failed,
      unread: [],
      passed: { source: groups.source, seen: `no such member of ${[...ROOT_GROUPS].join(', ')}`, expected },
      reason: 'members of a group can become root without a password',
    });
  });
}

function judgeRootKeys(facts: Pick<Facts, 'accounts' | 'sshd'>): Judgement {
  const { contexts } = facts.sshd;
  const settings =
    contexts.state === 'seen' ? contexts.value.map((context) => context.settings['permitrootlogin']) : [];
  if (settings.length > 0 && settings.every((setting) => setting?.values[0] === 'no'))
    return notApplicable('sshd lets nobody log in as root; see ssh.root-login');
  return judgeKeys(facts, {
    of: ({ uid }) => uid === 0,
    wrong: ({ options }) => !RESTRICTIONS.some((name) => options.includes(name)),
    expected: 'from=, command= or restrict',
    reason: 'a key opens a shell of root from any address',
  });
}

/** Checks of the accounts of the host, sorted by id. */
export const ACCOUNT_CHECKS: readonly NodeCheck[] = Object.freeze([
  nodeCheck({
    id: 'account.authorized-key-strength',
    title: 'SSH keys of accounts are strong enough',
    failTitle: 'SSH keys of accounts are too weak',
    severity: 'high',
    rationale:
      'The private key of a DSA or short RSA key can be computed from the public one: whoever does that logs in as the account.',
    remediation: 'Replace the named keys by Ed25519 or by RSA keys of at least 3072 bits (ssh-keygen -t ed25519).',
    references: [KEYS_MANUAL],
    judges: 'node',
    needs: ['accounts', 'sshd'],
    judge: (facts) => {
      const expected = 'Ed25519, ECDSA, or RSA of at least 2048 bits';
      const judgement = judgeKeys(facts, {
        of: () => true,
        wrong: ({ type, bits }) => type === 'ssh-dss' || (type === 'ssh-rsa' && bits < 2048),
        expected,
        reason: 'a key that can be computed may log in',
      });
      // The collector reports a key that is new, however strong it is, also where the keys of others cannot be read.
      return judgement.verdict !== 'notApplicable'
        ? {
            ...judgement,
            evidence: [...judgement.evidence, ...otherKeys(facts.accounts, judgement.evidence, expected)],
          }
        : judgement;
    },
  }),
  nodeCheck({
    id: 'account.authorized-keys-files',
    title: 'Only its owner can change SSH keys of an account',
    failTitle: 'Others can change SSH keys of an account',
    severity: 'high',
    rationale:
      'Whoever can write to the file of keys, or to a directory above it, adds a key and logs in as the account.',
    remediation:
      'Run chmod go-w on the named files and directories and chown them to the account. Keep StrictModes yes, which makes sshd refuse such keys.',
    references: [KEYS_MANUAL],
    judges: 'node',
    needs: ['accounts', 'sshd'],
    judge: ({ accounts, sshd }) =>
      withoutServer(sshd.present) ??
      ofUsers(accounts, (users, source) => {
        const expected = 'only the account and root can write';
        return judgeList({
          failed: users.flatMap(({ name, openPaths }) =>
            openPaths.map(({ path, reason }) => ({ source: path, seen: `${quote(name)}: ${reason}`, expected })),
          ),
          unread: users.flatMap(({ name, authorizedKeys: keys }) =>
            keys.state === 'unreadable' ? [`keys of ${quote(name)}: ${keys.source}: ${keys.reason}`] : [],
          ),
          passed: { source, seen: 'no file of keys that others can change', expected },
          reason: 'others can add a key that logs in as an account',
        });
      }),
  }),
  nodeCheck({
    id: 'account.duplicate-root',
    title: 'Only root has user id 0',
    failTitle: 'Several accounts have user id 0',
    severity: 'high',
    rationale: 'A second name for user id 0 is a further password or key for root, which rules about root do not name.',
    remediation: 'Give the account a user id of its own (usermod -u), or remove it after finding out who added it.',
    references: ['https://man7.org/linux/man-pages/man5/passwd.5.html'],
    judges: 'node',
    needs: ['accounts'],
    judge: ({ accounts }) =>
      ofUsers(accounts, (users, source) => {
        const expected = 'user id 0 for root alone';
        const failed = users
          .filter(({ uid, name }) => uid === 0 && name !== 'root')
          .map(({ name }) => ({ source, seen: `${quote(name)} has user id 0`, expected }));
        return judgeList({
          failed,
          unread: [],
          passed: { source, seen: 'no other account with user id 0', expected },
          reason: 'an account beside root has all rights of root',
          maxEvidence: MAX_EVIDENCE,
        });
      }),
  }),
  nodeCheck({
    id: 'account.empty-password',
    title: 'Every account has a password or is locked',
    failTitle: 'Accounts have an empty password',
    severity: 'critical',
    rationale:
      'Where PAM allows empty passwords, everyone logs in as an account with an empty password field, or runs su to it.',
    remediation:
      'Lock the named accounts (passwd -l NAME), or set a password. Remove nullok from the PAM configuration.',
    references: [SHADOW_MANUAL],
    judges: 'node',
    needs: ['accounts'],
    judge: ({ accounts }) =>
      judgePasswords(accounts, {
        expected: 'a hash, or locked',
        reason: 'an account has an empty password',
        wrong: ({ password }) => (password === 'empty' ? 'the password field is empty' : undefined),
      }),
  }),
  nodeCheck({
    id: 'account.root-authorized-keys',
    title: 'SSH keys of root are restricted',
    failTitle: 'SSH keys of root are unrestricted',
    severity: 'medium',
    rationale:
      'A key without restriction is a shell of root from anywhere. from= limits the addresses, command= the program: a stolen key is worth less.',
    remediation:
      'Put from="ADDRESSES" or command="PROGRAM" and restrict before each key in the authorized_keys file of root, or log in as another account and use sudo.',
    references: [KEYS_MANUAL],
    judges: 'node',
    needs: ['accounts', 'sshd'],
    judge: judgeRootKeys,
  }),
  nodeCheck({
    id: 'account.root-equivalent-groups',
    title: 'Groups that amount to root have no members',
    failTitle: 'Members of a group amount to root',
    severity: 'high',
    rationale:
      'Members of disk read and write every file system, those of shadow read password hashes, those of lxd, incus-admin and libvirt start a machine that mounts the disk of the host.',
    remediation: 'Remove the members (gpasswd -d NAME GROUP). Administrators use sudo, which asks and records.',
    references: ['https://wiki.debian.org/SystemGroups'],
    judges: 'node',
    needs: ['accounts'],
    judge: ({ accounts }) => judgeRootGroups(accounts),
  }),
  nodeCheck({
    id: 'account.sudo-without-password',
    title: 'sudo asks for a password before a root shell',
    failTitle: 'sudo gives a root shell without a password',
    severity: 'high',
    rationale: 'Whoever takes over a session or a program of such an account is root at once.',
    remediation:
      'Remove NOPASSWD from the named rule (visudo -f FILE), or name the commands that need no password. In doas.conf remove nopass.',
    references: ['https://www.sudo.ws/docs/man/sudoers.man/'],
    judges: 'node',
    needs: ['accounts'],
    judge: ({ accounts }) => judgeSudo(accounts),
  }),
  nodeCheck({
    id: 'account.system-account-keys',
    title: 'System accounts have no unrestricted SSH keys',
    failTitle: 'System accounts have unrestricted SSH keys',
    severity: 'high',
    rationale:
      'Nobody logs in as a system account. A key for one is a way in that stays when accounts of people are removed, a usual trace of an attacker.',
    remediation:
      'Find out who added the key and remove it. For a service that needs it (git), put restrict,command="…" before the key.',
    references: [KEYS_MANUAL],
    judges: 'node',
    needs: ['accounts', 'sshd'],
    judge: (facts) =>
      judgeKeys(facts, {
        of: (user) => isSystemAccount(user, facts.accounts),
        wrong: ({ options }) => !options.includes('command') && !options.includes('restrict'),
        expected: 'no key, or one with command= or restrict',
        reason: 'a key logs in as a system account',
      }),
  }),
  nodeCheck({
    id: 'account.system-account-password',
    title: 'System accounts cannot log in with a password',
    failTitle: 'System accounts can log in with a password',
    severity: 'medium',
    rationale:
      'Services run as these accounts. A password and a shell turn an account of a service into one for people.',
    remediation: 'Run usermod --lock --shell /usr/sbin/nologin NAME for the named accounts.',
    references: [SHADOW_MANUAL],
    judges: 'node',
    needs: ['accounts'],
    judge: ({ accounts }) =>
      judgePasswords(accounts, {
        expected: 'locked, or a shell that refuses logins',
        reason: 'a system account can log in with a password',
        wrong: (user) =>
          isSystemAccount(user, accounts) && user.canLogin && ['set', 'weak', 'empty'].includes(user.password)
            ? `a password, and the shell ${quote(user.shell === '' ? '/bin/sh' : user.shell)}`
            : undefined,
      }),
  }),
  nodeCheck({
    id: 'account.unencrypted-private-key',
    title: 'Private SSH keys of accounts have a passphrase',
    failTitle: 'Private SSH keys of accounts have no passphrase',
    severity: 'high',
    rationale:
      'Whoever reads the file logs in wherever the key is accepted. On a container host that is everyone who escapes from a container: the next host is one command away.',
    remediation:
      'Remove the named keys from this host; use agent forwarding to a trusted host, a certificate, or a hardware key. ssh-keygen -p adds a passphrase.',
    references: ['https://man.openbsd.org/ssh-keygen'],
    judges: 'node',
    needs: ['accounts'],
    judge: ({ accounts }) =>
      ofUsers(accounts, (users, source) => {
        const expected = 'no private key, or one with a passphrase';
        const failed: Evidence[] = [];
        const unread: string[] = [];
        for (const { name, privateKeys: keys } of users) {
          if (keys.state === 'unreadable') unread.push(`.ssh of ${quote(name)}: ${keys.source}: ${keys.reason}`);
          if (keys.state !== 'seen') continue;
          for (const { path, encrypted } of keys.value)
            if (!encrypted)
              failed.push({ source: path, seen: `${quote(name)}: a private key without a passphrase`, expected });
        }
        return judgeList({
          failed,
          unread,
          passed: { source, seen: 'no private key without a passphrase', expected },
          reason: 'a private key without a passphrase is on this host',
        });
      }),
  }),
  nodeCheck({
    id: 'account.weak-password-hash',
    title: 'Password hashes use a strong method',
    failTitle: 'Password hashes use DES or MD5',
    severity: 'medium',
    rationale: 'A copy of /etc/shadow with DES or MD5 hashes gives away the passwords within hours.',
    remediation:
      'Set ENCRYPT_METHOD YESCRYPT (or SHA512) in /etc/login.defs and the same in the PAM configuration, then let the named accounts change their passwords.',
    references: ['https://man7.org/linux/man-pages/man5/crypt.5.html'],
    judges: 'node',
    needs: ['accounts'],
    judge: ({ accounts }) =>
      judgePasswords(accounts, {
        expected: 'yescrypt, SHA-512, SHA-256 or bcrypt',
        reason: 'the password of an account is hashed with DES or MD5',
        wrong: ({ password }) => (password === 'weak' ? 'hashed with DES or MD5' : undefined),
      }),
  }),
]);
