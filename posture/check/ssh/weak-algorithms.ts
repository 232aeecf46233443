import { fail, failAs, pass } from '../../verdict.ts';
import { evidenceOf, sshCheck } from './setting.ts';
import type { Setting } from './setting.ts';
import { matchesWildcard } from './wildcard.ts';

const SHA1_SIGNATURE = /^ssh-(?:rsa|dss)(?:-cert-v0[01]@openssh\.com)?$/;
/** What is weak, by keyword: CBC and older ciphers, SHA-1 and MD5, 64-bit authentication, SHA-1 signatures, DSA. */
const WEAK: ReadonlyMap<string, RegExp> = new Map([
  ['Ciphers', /-cbc(?:$|@)|^3des|^arcfour|^blowfish|^cast128|^none$/],
  ['MACs', /md5|sha1(?:$|-|@)|^umac-64|^none$/],
  ['KexAlgorithms', /sha1(?:$|-|@)/],
  ['HostKeyAlgorithms', SHA1_SIGNATURE],
  ['PubkeyAcceptedAlgorithms', SHA1_SIGNATURE],
  ['CASignatureAlgorithms', SHA1_SIGNATURE],
]);

/** The weak ones among the defaults of every OpenSSH from 7.0 to 10 (myproposal.h): a `+`, `-` or `^` builds on them. */
const WEAK_DEFAULTS: ReadonlyMap<string, readonly string[]> = new Map([
  ['MACs', ['umac-64-etm@openssh.com', 'hmac-sha1-etm@openssh.com', 'umac-64@openssh.com', 'hmac-sha1']],
]);
/** Weak by the rule, but not known to be broken as they are used in SSH. */
const MILD = /^(?:umac-64|hmac-sha1(?:$|-etm))/;

export const weakAlgorithms = sshCheck({
  id: 'ssh.weak-algorithms',
  title: 'SSH offers no outdated cryptography',
  severity: 'medium',
  rationale:
    'What the server still offers, somebody in between may talk a client down to: CBC ciphers leak plain text, SHA-1 signatures can be forged at a price that falls each year.',
  remediation:
    'Remove the named algorithms from Ciphers, MACs, KexAlgorithms, HostKeyAlgorithms and PubkeyAcceptedAlgorithms, or subtract them: MACs -*sha1*,umac-64*. On the Red Hat family use update-crypto-policies. Reload sshd.',
  keywords: [],
  optional: [
    'Ciphers',
    'MACs',
    'KexAlgorithms',
    'HostKeyAlgorithms',
    'PubkeyAcceptedAlgorithms',
    'CASignatureAlgorithms',
  ],
  judge: (settings) => {
    const found = Object.values(settings).map((setting) => ({ setting, weak: weakOf(setting) }));
    const bad = found.filter(({ weak }) => weak.length > 0);
    const shown = (bad.length > 0 ? bad : found).map(({ setting, weak }) =>
      evidenceOf(weak.length > 0 ? { ...setting, values: [weak.join(',')] } : setting, 'no outdated algorithm'),
    );
    if (bad.length === 0) return pass(...shown);
    return bad.every(({ weak }) => weak.every((name) => MILD.test(name))) ? failAs('low', ...shown) : fail(...shown);
  },
});

/** The weak algorithms that a setting leads to, in its own order. */
function weakOf({ keyword, values }: Setting): readonly string[] {
  const text = values.join(',').toLowerCase();
  const names = text
    .replace(/^[+\-^]/, '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  const weak = names.filter((name) => WEAK.get(keyword)?.test(name) === true);
  const defaults = WEAK_DEFAULTS.get(keyword) ?? [];
  if (names.length === 0) return defaults;
  if (text.startsWith('-')) return defaults.filter((name) => !names.some((pattern) => matchesWildcard(pattern, name)));
  return /^[+^]/.test(text) ? [...new Set([...weak, ...defaults])] : weak;
}
