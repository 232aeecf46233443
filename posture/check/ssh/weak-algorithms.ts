import { fail, failAs, pass, unknownBecause } from '../../verdict.ts';
import { evidenceOf, sshCheck } from './setting.ts';
import type { SshSetting } from './setting.ts';

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
    const missing = found.filter(({ setting }) => setting.values.length === 0);
    if (bad.length === 0 && missing.length > 0)
      return unknownBecause(
        `what sshd offers as ${missing.map(({ setting }) => setting.keyword).join(', ')} depends on its version, which is not known`,
      );
    if (bad.length === 0) return pass(...shown);
    return bad.every(({ weak }) => weak.every((name) => MILD.test(name))) ? failAs('low', ...shown) : fail(...shown);
  },
});

/** The weak algorithms of a setting, in its own order; the fact holds lists in full. */
function weakOf({ keyword, values }: SshSetting): readonly string[] {
  const names = values.join(',').toLowerCase().split(',');
  return names.filter((name) => WEAK.get(keyword)?.test(name) === true);
}
