import { fail, failAs, pass, unknownBecause } from '../../verdict.ts';
import { quoteList } from '../evidence-text.ts';
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
  title: 'SSH offers no weak algorithms',
  failTitle: 'SSH offers weak algorithms',
  severity: 'medium',
  severityLevels: [
    { severity: 'medium', when: 'an algorithm is known to be broken' },
    { severity: 'low', when: 'an algorithm is outdated but not known to be broken in SSH' },
  ],
  rationale:
    'An attacker on the network can make a client use any algorithm that the server still offers: CBC ciphers leak plain text, and forging SHA-1 signatures becomes cheaper every year.',
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
        `the defaults of ${missing.map(({ setting }) => setting.keyword).join(', ')} depend on the version of sshd, which is unknown`,
      );
    if (bad.length === 0) return pass(...shown);
    const reason = `sshd accepts ${quoteList(bad.flatMap(({ weak }) => weak))}`;
    return bad.every(({ weak }) => weak.every((name) => MILD.test(name)))
      ? failAs('low', reason, ...shown)
      : fail(reason, ...shown);
  },
});

/** The weak algorithms of a setting, in its own order; the fact holds lists in full. */
function weakOf({ keyword, values }: SshSetting): readonly string[] {
  const names = values.join(',').toLowerCase().split(',');
  return names.filter((name) => WEAK.get(keyword)?.test(name) === true);
}
