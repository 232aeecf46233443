import { fail, failAs, pass } from '../../verdict.ts';
import { evidenceOf, sshCheck } from './setting.ts';

export const hostBasedAuthentication = sshCheck({
  id: 'ssh.host-based-authentication',
  title: 'Host-based SSH login is fully disabled',
  failTitle: 'Host-based SSH login is not fully disabled',
  severity: 'medium',
  severityLevels: [
    { severity: 'medium', when: 'host-based login is enabled' },
    { severity: 'low', when: 'only the trust files of users are not ignored' },
  ],
  rationale:
    'With host-based login, one compromised host opens all others, and every user can extend the trust with a file in the home directory.',
  remediation:
    'Set HostbasedAuthentication no and IgnoreRhosts yes, remove /etc/ssh/shosts.equiv and ~/.shosts, and reload sshd.',
  keywords: ['HostbasedAuthentication', 'IgnoreRhosts'],
  judge: ({ HostbasedAuthentication: hostBased, IgnoreRhosts: ignore }) => {
    const evidence = [evidenceOf(hostBased, 'no'), evidenceOf(ignore, 'yes')];
    if (hostBased.value !== 'no') return fail(`other hosts can vouch for users${hostBased.scope}`, ...evidence);
    return ignore.value === 'no'
      ? failAs('low', 'files of users would be trusted if host-based login were enabled', ...evidence)
      : pass(...evidence);
  },
});
