import type { Account, AccountsFact, AuthorizedKey } from '../../fact/accounts.ts';
import type { Facts } from '../../fact/facts.ts';
import { notApplicable, unknownBecause } from '../../verdict.ts';
import type { Evidence, Judgement } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import type { NodeCheck } from '../check.ts';
import { quote } from '../evidence-text.ts';
import { judgeList } from '../judge-list.ts';
import { longList } from '../long-list.ts';
import { withoutServer } from './setting.ts';

const KEYS_MANUAL = 'https://man.openbsd.org/sshd#AUTHORIZED_KEYS_FILE_FORMAT';

/** Characters of a fingerprint that identify a key: 96 bits. */
const FINGERPRINT_LENGTH = 'SHA256:'.length + 16;
/** Characters of the options of a key. */
const MAX_OPTIONS = 120;
/** Options that keep a key from a free shell of root. */
const RESTRICTIONS = ['from', 'command', 'restrict'];

/** The user that Fedora CoreOS and Flatcar create for administrators, with a user id of system accounts. */
const isCoreUser = ({ name, uid }: Account): boolean => name === 'core' && uid === 500;

/** Judges the accounts; unknown where they could not be read. */
export function ofUsers(
  accounts: AccountsFact,
  judge: (users: readonly Account[], source: string) => Judgement,
): Judgement {
  const { users } = accounts;
  if (users.state === 'unreadable') return unknownBecause(`${users.source}: ${users.reason}`);
  if (users.state === 'absent') return notApplicable(`${users.source} does not exist: the host has no accounts`);
  return judge(users.value, users.source);
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

/** The author of the file chooses the options: bound them, so that they do not fill the evidence. */
function optionsText({ options }: AuthorizedKey): string {
  const text = options.length === 0 ? 'no options' : `options ${options.join(', ')}`;
  return text.length <= MAX_OPTIONS ? text : `${text.slice(0, MAX_OPTIONS)}…`;
}

function isSystemAccount(user: Account, { systemUidMax }: AccountsFact): boolean {
  return user.uid > 0 && user.uid <= systemUidMax && !isCoreUser(user);
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

/** Checks of the SSH keys of accounts, sorted by id. */
export const SSH_KEY_CHECKS: readonly NodeCheck[] = Object.freeze([
  nodeCheck({
    id: 'ssh.authorized-key-strength',
    title: 'SSH keys of accounts are strong enough',
    failTitle: 'SSH keys of accounts are too weak',
    judgedBy: 'effect',
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
    id: 'ssh.authorized-keys-files',
    title: 'Only its owner can change SSH keys of an account',
    failTitle: 'Others can change SSH keys of an account',
    judgedBy: 'effect',
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
    id: 'ssh.root-authorized-keys',
    title: 'SSH keys of root are restricted',
    failTitle: 'SSH keys of root are unrestricted',
    judgedBy: 'effect',
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
    id: 'ssh.system-account-keys',
    title: 'System accounts have no unrestricted SSH keys',
    failTitle: 'System accounts have unrestricted SSH keys',
    judgedBy: 'effect',
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
    id: 'ssh.unencrypted-private-key',
    title: 'Private SSH keys of accounts have a passphrase',
    failTitle: 'Private SSH keys of accounts have no passphrase',
    judgedBy: 'effect',
    severity: 'high',
    rationale:
      'Whoever reads the file logs in wherever the key is accepted. On a container host that is everyone who escapes from a container: the next host is one command away.',
    remediation:
      'Remove the named keys from this host. To reach another one, connect through it from your own machine (ssh -J HOST, which shows it no key), or use short-lived certificates or a hardware key. ssh-keygen -p adds a passphrase.',
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
]);
