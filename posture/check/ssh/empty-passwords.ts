import { fail, failAs, pass } from '../../verdict.ts';
import { evidenceOf, sshCheck } from './setting.ts';

export const emptyPasswords = sshCheck({
  id: 'ssh.empty-passwords',
  title: 'Empty passwords are not permitted over SSH',
  failTitle: 'Empty passwords are permitted over SSH',
  severity: 'critical',
  severityLevels: [
    { severity: 'critical', when: 'password logins are enabled' },
    { severity: 'medium', when: 'password logins are disabled at present' },
  ],
  rationale: 'One account with an empty password field gives everyone on the network a shell on this host.',
  remediation:
    'Remove PermitEmptyPasswords from sshd_config and its drop-ins, reload sshd, and lock accounts without a password (passwd -l).',
  keywords: ['PermitEmptyPasswords'],
  optional: ['PasswordAuthentication', 'KbdInteractiveAuthentication'],
  judge: ({
    PermitEmptyPasswords: empty,
    PasswordAuthentication: password,
    KbdInteractiveAuthentication: interactive,
  }) => {
    const evidence = evidenceOf(empty, 'no');
    if (empty.value === 'no') return pass(evidence);
    // It takes effect when someone enables passwords again.
    if (password.value === 'no' && interactive.value === 'no')
      return failAs(
        'medium',
        'accounts without a password can log in as soon as password logins are enabled',
        evidence,
        evidenceOf(password, 'no'),
        evidenceOf(interactive, 'no'),
      );
    return fail(`accounts without a password can log in${empty.scope}`, evidence);
  },
});
