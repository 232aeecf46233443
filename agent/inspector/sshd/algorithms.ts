import { matchPatternList, matchesPatternList } from './wildcard.ts';

/** The algorithms of one kind in one release: all that OpenSSH knows, and those that it offers by default, in order. */
export interface Algorithms {
  readonly all: readonly string[];
  readonly defaults: readonly string[];
}

/** Lists by the release that brought them (`807`: 8.7), newest first. */
type Since = readonly (readonly [release: number, names: readonly string[]])[];

const list = (text: string): readonly string[] => Object.freeze(text.trim().split(/\s+/));
const without = (names: readonly string[], ...removed: readonly string[]): readonly string[] =>
  names.filter((name) => !removed.includes(name));

/** Oldest release whose lists are known, and the newest. */
export const KNOWN_RELEASES = { oldest: 704, newest: 1005 } as const;

const ECDSA_CERTIFICATES = `
  ecdsa-sha2-nistp256-cert-v01@openssh.com ecdsa-sha2-nistp384-cert-v01@openssh.com
  ecdsa-sha2-nistp521-cert-v01@openssh.com`;
const ECDSA = 'ecdsa-sha2-nistp256 ecdsa-sha2-nistp384 ecdsa-sha2-nistp521';
const RSA_SHA2_CERTIFICATES = 'rsa-sha2-512-cert-v01@openssh.com rsa-sha2-256-cert-v01@openssh.com';
const RSA_SHA2 = 'rsa-sha2-512 rsa-sha2-256';
const SSH_RSA = 'ssh-rsa';
const SSH_RSA_CERTIFICATE = 'ssh-rsa-cert-v01@openssh.com';
const ED25519 = 'ssh-ed25519';
const ED25519_CERTIFICATE = 'ssh-ed25519-cert-v01@openssh.com';
const SK_ED25519 = 'sk-ssh-ed25519@openssh.com';
const SK_ED25519_CERTIFICATE = 'sk-ssh-ed25519-cert-v01@openssh.com';
const SK_ECDSA = 'sk-ecdsa-sha2-nistp256@openssh.com';
const SK_ECDSA_CERTIFICATE = 'sk-ecdsa-sha2-nistp256-cert-v01@openssh.com';
const WEBAUTHN = `webauthn-${SK_ECDSA}`;
const WEBAUTHN_CERTIFICATE = `webauthn-${SK_ECDSA_CERTIFICATE}`;
const SK = list(`${SK_ED25519} ${SK_ECDSA} ${SK_ED25519_CERTIFICATE} ${SK_ECDSA_CERTIFICATE}`);

const SIGNATURES_802 = list(`
  ${ECDSA_CERTIFICATES} ${SK_ECDSA_CERTIFICATE} ${ED25519_CERTIFICATE} ${SK_ED25519_CERTIFICATE}
  ${RSA_SHA2_CERTIFICATES} ${SSH_RSA_CERTIFICATE} ${ECDSA} ${SK_ECDSA} ${ED25519} ${SK_ED25519} ${RSA_SHA2} ${SSH_RSA}`);
const SIGNATURES_805 = list(`
  ${ED25519_CERTIFICATE} ${ECDSA_CERTIFICATES} ${SK_ED25519_CERTIFICATE} ${SK_ECDSA_CERTIFICATE}
  ${RSA_SHA2_CERTIFICATES} ${SSH_RSA_CERTIFICATE} ${ED25519} ${ECDSA} ${SK_ED25519} ${SK_ECDSA} ${RSA_SHA2} ${SSH_RSA}`);
const SIGNATURES_708 = without(SIGNATURES_802, ...SK);

/** `KEX_DEFAULT_PK_ALG` of myproposal.h. */
const SIGNATURE_DEFAULTS: Since = [
  [
    1003,
    list(`
      ${ED25519_CERTIFICATE} ${ECDSA_CERTIFICATES} ${SK_ED25519_CERTIFICATE} ${SK_ECDSA_CERTIFICATE}
      ${WEBAUTHN_CERTIFICATE} ${RSA_SHA2_CERTIFICATES} ${ED25519} ${ECDSA} ${SK_ED25519} ${SK_ECDSA} ${WEBAUTHN}
      ${RSA_SHA2}`),
  ],
  [808, without(SIGNATURES_805, SSH_RSA, SSH_RSA_CERTIFICATE)],
  [805, SIGNATURES_805],
  [802, SIGNATURES_802],
  [708, SIGNATURES_708],
  [0, without(SIGNATURES_708, ...list(RSA_SHA2_CERTIFICATES))],
];

const ALL_SIGNATURES_1000 = list(`
  ${ED25519} ${ED25519_CERTIFICATE} ${SK_ED25519} ${SK_ED25519_CERTIFICATE}
  ecdsa-sha2-nistp256 ecdsa-sha2-nistp256-cert-v01@openssh.com ecdsa-sha2-nistp384
  ecdsa-sha2-nistp384-cert-v01@openssh.com ecdsa-sha2-nistp521 ecdsa-sha2-nistp521-cert-v01@openssh.com
  ${SK_ECDSA} ${SK_ECDSA_CERTIFICATE} ${WEBAUTHN} ${SSH_RSA} ${SSH_RSA_CERTIFICATE}
  rsa-sha2-256 rsa-sha2-256-cert-v01@openssh.com rsa-sha2-512 rsa-sha2-512-cert-v01@openssh.com`);
const ALL_SIGNATURES_804 = [...ALL_SIGNATURES_1000, 'ssh-dss', 'ssh-dss-cert-v01@openssh.com'];
const ALL_SIGNATURES: Since = [
  [1003, [...ALL_SIGNATURES_1000, WEBAUTHN_CERTIFICATE]],
  [1000, ALL_SIGNATURES_1000],
  [804, ALL_SIGNATURES_804],
  [802, without(ALL_SIGNATURES_804, WEBAUTHN)],
  [708, without(ALL_SIGNATURES_804, WEBAUTHN, ...SK)],
  [0, without(ALL_SIGNATURES_804, WEBAUTHN, ...SK, ...list(RSA_SHA2_CERTIFICATES))],
];
const signatures = { all: ALL_SIGNATURES, defaults: SIGNATURE_DEFAULTS };

const CURVES = list(
  'curve25519-sha256 curve25519-sha256@libssh.org ecdh-sha2-nistp256 ecdh-sha2-nistp384 ecdh-sha2-nistp521',
);
const GROUPS = list(`
  diffie-hellman-group-exchange-sha256 diffie-hellman-group16-sha512 diffie-hellman-group18-sha512
  diffie-hellman-group14-sha256`);
const MLKEM = 'mlkem768x25519-sha256';
const SNTRUP = 'sntrup761x25519-sha512';
const SNTRUP_OPENSSH = 'sntrup761x25519-sha512@openssh.com';
const ALL_KEY_EXCHANGES = list(`
  diffie-hellman-group1-sha1 diffie-hellman-group14-sha1 diffie-hellman-group14-sha256 diffie-hellman-group16-sha512
  diffie-hellman-group18-sha512 diffie-hellman-group-exchange-sha1 diffie-hellman-group-exchange-sha256
  ecdh-sha2-nistp256 ecdh-sha2-nistp384 ecdh-sha2-nistp521 curve25519-sha256 curve25519-sha256@libssh.org`);
const ALL_CIPHERS = list(`
  3des-cbc aes128-cbc aes192-cbc aes256-cbc aes128-ctr aes192-ctr aes256-ctr aes128-gcm@openssh.com
  aes256-gcm@openssh.com chacha20-poly1305@openssh.com`);
const LYSATOR = 'rijndael-cbc@lysator.liu.se';
const ALL_MACS = list(`
  hmac-sha1 hmac-sha1-96 hmac-sha2-256 hmac-sha2-512 hmac-md5 hmac-md5-96 umac-64@openssh.com umac-128@openssh.com
  hmac-sha1-etm@openssh.com hmac-sha1-96-etm@openssh.com hmac-sha2-256-etm@openssh.com hmac-sha2-512-etm@openssh.com
  hmac-md5-etm@openssh.com hmac-md5-96-etm@openssh.com umac-64-etm@openssh.com umac-128-etm@openssh.com`);
const MACS = list(`
  umac-64-etm@openssh.com umac-128-etm@openssh.com hmac-sha2-256-etm@openssh.com hmac-sha2-512-etm@openssh.com
  hmac-sha1-etm@openssh.com umac-64@openssh.com umac-128@openssh.com hmac-sha2-256 hmac-sha2-512 hmac-sha1`);

const TABLE = Object.freeze({
  ciphers: {
    all: [
      [805, ALL_CIPHERS],
      [706, [...ALL_CIPHERS, LYSATOR]],
      [0, [...ALL_CIPHERS, LYSATOR, ...list('blowfish-cbc cast128-cbc arcfour arcfour128 arcfour256')]],
    ],
    defaults: [
      [
        1000,
        list(`chacha20-poly1305@openssh.com aes128-gcm@openssh.com aes256-gcm@openssh.com aes128-ctr aes192-ctr
          aes256-ctr`),
      ],
      [
        0,
        list(`chacha20-poly1305@openssh.com aes128-ctr aes192-ctr aes256-ctr aes128-gcm@openssh.com
          aes256-gcm@openssh.com`),
      ],
    ],
  },
  macs: { all: [[0, ALL_MACS]], defaults: [[0, MACS]] },
  kexalgorithms: {
    all: [
      [1005, [...ALL_KEY_EXCHANGES, 'mlkem768nistp256-sha256', SNTRUP, SNTRUP_OPENSSH, MLKEM]],
      [909, [...ALL_KEY_EXCHANGES, SNTRUP, SNTRUP_OPENSSH, MLKEM]],
      [805, [...ALL_KEY_EXCHANGES, SNTRUP_OPENSSH]],
      [800, [...ALL_KEY_EXCHANGES, 'sntrup4591761x25519-sha512@tinyssh.org']],
      [0, ALL_KEY_EXCHANGES],
    ],
    defaults: [
      [1000, [MLKEM, SNTRUP, SNTRUP_OPENSSH, ...CURVES]],
      [909, [SNTRUP, SNTRUP_OPENSSH, MLKEM, ...CURVES, ...GROUPS]],
      [900, [SNTRUP_OPENSSH, ...CURVES, ...GROUPS]],
      [809, [...CURVES, SNTRUP_OPENSSH, ...GROUPS]],
      [802, [...CURVES, ...GROUPS]],
      [0, [...CURVES, ...GROUPS, 'diffie-hellman-group14-sha1']],
    ],
  },
  hostkeyalgorithms: signatures,
  hostbasedacceptedalgorithms: signatures,
  pubkeyacceptedalgorithms: signatures,
  casignaturealgorithms: {
    all: ALL_SIGNATURES.map(([release, names]) => [release, names.filter((name) => !name.includes('-cert-'))]),
    defaults: [
      [1003, list(`${ED25519} ${ECDSA} ${SK_ED25519} ${SK_ECDSA} ${WEBAUTHN} ${RSA_SHA2}`)],
      [805, list(`${ED25519} ${ECDSA} ${SK_ED25519} ${SK_ECDSA} ${RSA_SHA2}`)],
      [802, list(`${ECDSA} ${SK_ECDSA} ${ED25519} ${SK_ED25519} ${RSA_SHA2}`)],
      [0, list(`${ECDSA} ${ED25519} ${RSA_SHA2} ${SSH_RSA}`)],
    ],
  },
} satisfies Readonly<Record<string, { readonly all: Since; readonly defaults: Since }>>);

/** A keyword whose value is a list of algorithms. */
export type AlgorithmKeyword = keyof typeof TABLE;

/** The keywords whose values are lists of algorithms. */
export const ALGORITHM_KEYWORDS = Object.keys(TABLE) as readonly AlgorithmKeyword[];

/** What `release` knows, myproposal.h and `ssh -Q` of each; undefined for a release that is not known. */
export function algorithmsOf(keyword: AlgorithmKeyword, release: number): Algorithms | undefined {
  if (release < KNOWN_RELEASES.oldest || release > KNOWN_RELEASES.newest) return undefined;
  const { all, defaults } = TABLE[keyword];
  return { all: at(all, release), defaults: at(defaults, release) };
}

function at(lists: Since, release: number): readonly string[] {
  return lists.find(([since]) => since <= release)?.[1] ?? [];
}

/** Names of key types, which releases before 9.9 take in lists of signature algorithms, in any case; they add nothing. */
const KEY_TYPES: ReadonlySet<string> = new Set(['rsa', 'ecdsa', 'ecdsa-sk', 'ed25519', 'ed25519-sk']);

/**
 * Does sshd take the list? After `-` anything; otherwise every name up to an empty one must be known. Only signature
 * algorithms may have wildcards. A certificate is no signature of an authority, but a wildcard is compared with all.
 * `release` must be known; `added` are names that this program has beside those of its release.
 */
export function isAlgorithmList(
  keyword: AlgorithmKeyword,
  release: number,
  text: string,
  added: readonly string[],
): boolean {
  if (text.startsWith('-')) return true;
  const list = text.replace(/^[+^]/, '');
  if (list === '') return false;
  const isSignature = TABLE[keyword].defaults === SIGNATURE_DEFAULTS || keyword === 'casignaturealgorithms';
  const all = at(TABLE[keyword].all, release);
  const known = isSignature ? at(ALL_SIGNATURES, release) : all;
  return namesOf(list).every((name) => {
    if (all.includes(name) || added.includes(name)) return true;
    if (!isSignature) return false;
    if (release < 909 && KEY_TYPES.has(name.toLowerCase())) return true;
    return !known.includes(name) && known.some((each) => matchPatternList(name, each) !== 0);
  });
}

/** The names up to an empty one, where sshd stops. */
function namesOf(list: string): readonly string[] {
  const names = list.split(',');
  const end = names.indexOf('');
  return end === -1 ? names : names.slice(0, end);
}

/**
 * What a list in the configuration leads to, sshd_config(5): `+a,b` after the defaults, `-a,b` the defaults without,
 * `^a,b` before the defaults, otherwise the list itself; patterns represent all names that match. A list that becomes
 * empty by `-` leaves the defaults. undefined: sshd refuses it.
 */
export function assembleAlgorithms({ all, defaults }: Algorithms, text: string): readonly string[] | undefined {
  const named = text.slice(1);
  if (text === '') return defaults;
  if (text.startsWith('-')) {
    const left = defaults.filter((name) => !matchesPatternList(named, name));
    return left.length === 0 ? defaults : left;
  }
  const names = text.startsWith('+')
    ? [...defaults, ...namesOf(named)]
    : text.startsWith('^')
      ? [...named.split(','), ...defaults]
      : text.split(',');
  if (names.some((name) => name.startsWith('!'))) return undefined;
  const found = new Set(names.flatMap((name) => all.filter((known) => matchesPatternList(name, known))));
  return found.size === 0 ? undefined : [...found];
}
