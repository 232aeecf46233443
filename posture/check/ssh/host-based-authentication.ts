import { fail, failAs, pass } from '../../verdict.ts';
import { evidenceOf, sshCheck } from './setting.ts';

export const hostBasedAuthentication = sshCheck({
  id: 'ssh.host-based-authentication',
  title: 'No other host vouches for users',
  severity: 'medium',
  rationale:
    'With host-based login, one node that was taken over opens all others; and every user can extend the trust with a file in his home.',
  remediation:
    'Set HostbasedAuthentication no and IgnoreRhosts yes, remove /etc/ssh/shosts.equiv and ~/.shosts, and reload sshd.',
  keywords: ['HostbasedAuthentication', 'IgnoreRhosts'],
  judge: ({ HostbasedAuthentication: hostBased, IgnoreRhosts: ignore }) => {
    const evidence = [evidenceOf(hostBased, 'no'), evidenceOf(ignore, 'yes')];
    if (hostBased.value !== 'no') return fail(...evidence);
    return ignore.value === 'no' ? failAs('low', ...evidence) : pass(...evidence);
  },
});
