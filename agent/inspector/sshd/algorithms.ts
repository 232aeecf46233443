import { matchesWildcard } from '../../../posture/check/ssh/wildcard.ts';
import { matchesPatternList } from './wildcard.ts';

/** The algorithms of one kind: all that OpenSSH knows, and those that it offers unasked, in its order. */
export interface Algorithms {
  readonly all: readonly string[];
  readonly defaults: readonly string[];
}

const list = (text: string): readonly string[] => Object.freeze(text.trim().split(/\s+/));

const SIGNATURES = list(`
  ssh-ed25519-cert-v01@openssh.com ecdsa-sha2-nistp256-cert-v01@openssh.com ecdsa-sha2-nistp384-cert-v01@openssh.com
  ecdsa-sha2-nistp521-cert-v01@openssh.com sk-ssh-ed25519-cert-v01@openssh.com
  sk-ecdsa-sha2-nistp256-cert-v01@openssh.com rsa-sha2-512-cert-v01@openssh.com rsa-sha2-256-cert-v01@openssh.com
  ssh-ed25519 ecdsa-sha2-nistp256 ecdsa-sha2-nistp384 ecdsa-sha2-nistp521 sk-ssh-ed25519@openssh.com
  sk-ecdsa-sha2-nistp256@openssh.com rsa-sha2-512 rsa-sha2-256`);

const ALL_SIGNATURES = list(`
  ssh-ed25519 ssh-ed25519-cert-v01@openssh.com sk-ssh-ed25519@openssh.com sk-ssh-ed25519-cert-v01@openssh.com
  ecdsa-sha2-nistp256 ecdsa-sha2-nistp256-cert-v01@openssh.com ecdsa-sha2-nistp384
  ecdsa-sha2-nistp384-cert-v01@openssh.com ecdsa-sha2-nistp521 ecdsa-sha2-nistp521-cert-v01@openssh.com
  sk-ecdsa-sha2-nistp256@openssh.com sk-ecdsa-sha2-nistp256-cert-v01@openssh.com
  webauthn-sk-ecdsa-sha2-nistp256@openssh.com ssh-rsa ssh-rsa-cert-v01@openssh.com rsa-sha2-256
  rsa-sha2-256-cert-v01@openssh.com rsa-sha2-512 rsa-sha2-512-cert-v01@openssh.com`);

/** OpenSSH 10.0: `myproposal.h` and `ssh -Q`. Older releases offer more key exchanges and the same weak MACs. */
export const ALGORITHMS = Object.freeze({
  ciphers: {
    all: list(`
      3des-cbc aes128-cbc aes192-cbc aes256-cbc aes128-ctr aes192-ctr aes256-ctr aes128-gcm@openssh.com
      aes256-gcm@openssh.com chacha20-poly1305@openssh.com`),
    defaults: list(`
      chacha20-poly1305@openssh.com aes128-gcm@openssh.com aes256-gcm@openssh.com aes128-ctr aes192-ctr aes256-ctr`),
  },
  macs: {
    all: list(`
      hmac-sha1 hmac-sha1-96 hmac-sha2-256 hmac-sha2-512 hmac-md5 hmac-md5-96 umac-64@openssh.com umac-128@openssh.com
      hmac-sha1-etm@openssh.com hmac-sha1-96-etm@openssh.com hmac-sha2-256-etm@openssh.com
      hmac-sha2-512-etm@openssh.com hmac-md5-etm@openssh.com hmac-md5-96-etm@openssh.com umac-64-etm@openssh.com
      umac-128-etm@openssh.com`),
    defaults: list(`
      umac-64-etm@openssh.com umac-128-etm@openssh.com hmac-sha2-256-etm@openssh.com hmac-sha2-512-etm@openssh.com
      hmac-sha1-etm@openssh.com umac-64@openssh.com umac-128@openssh.com hmac-sha2-256 hmac-sha2-512 hmac-sha1`),
  },
  kexalgorithms: {
    all: list(`
      diffie-hellman-group1-sha1 diffie-hellman-group14-sha1 diffie-hellman-group14-sha256
      diffie-hellman-group16-sha512 diffie-hellman-group18-sha512 diffie-hellman-group-exchange-sha1
      diffie-hellman-group-exchange-sha256 ecdh-sha2-nistp256 ecdh-sha2-nistp384 ecdh-sha2-nistp521 curve25519-sha256
      curve25519-sha256@libssh.org sntrup761x25519-sha512 sntrup761x25519-sha512@openssh.com mlkem768x25519-sha256`),
    defaults: list(`
      mlkem768x25519-sha256 sntrup761x25519-sha512 sntrup761x25519-sha512@openssh.com curve25519-sha256
      curve25519-sha256@libssh.org ecdh-sha2-nistp256 ecdh-sha2-nistp384 ecdh-sha2-nistp521`),
  },
  hostkeyalgorithms: { all: ALL_SIGNATURES, defaults: SIGNATURES },
  hostbasedacceptedalgorithms: { all: ALL_SIGNATURES, defaults: SIGNATURES },
  pubkeyacceptedalgorithms: { all: ALL_SIGNATURES, defaults: SIGNATURES },
  casignaturealgorithms: {
    all: ALL_SIGNATURES.filter((name) => !name.includes('-cert-')),
    defaults: list(`
      ssh-ed25519 ecdsa-sha2-nistp256 ecdsa-sha2-nistp384 ecdsa-sha2-nistp521 sk-ssh-ed25519@openssh.com
      sk-ecdsa-sha2-nistp256@openssh.com rsa-sha2-512 rsa-sha2-256`),
  },
} satisfies Readonly<Record<string, Algorithms>>);
/** A keyword whose value is a list of algorithms. */
export type AlgorithmKeyword = keyof typeof ALGORITHMS;

/**
 * What a list in the configuration leads to, sshd_config(5): `+a,b` after the defaults, `-a,b` the defaults without,
 * `^a,b` before the defaults, otherwise the list itself. Patterns stand for all that OpenSSH knows.
 */
export function assembleAlgorithms({ all, defaults }: Algorithms, text: string): readonly string[] {
  const named = text.slice(1);
  switch (text.charAt(0)) {
    case '-':
      return defaults.filter((name) => !matchesPatternList(named, name));
    case '+':
      return [...new Set([...defaults, ...expand(all, named)])];
    case '^':
      return [...new Set([...expand(all, named), ...defaults])];
    default:
      return [...new Set(expand(all, text))];
  }
}

function expand(all: readonly string[], names: string): readonly string[] {
  return names.split(',').flatMap((name) => {
    if (/[*?]/.test(name)) return all.filter((known) => matchesWildcard(name, known));
    // A name that we do not know may be one of a newer or patched sshd.
    return name === '' ? [] : [name];
  });
}
