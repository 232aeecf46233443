import { fail, failAs, pass } from '../../verdict.ts';
import { evidenceOf, sshCheck } from './setting.ts';

export const emptyPasswords = sshCheck({
  id: 'ssh.empty-passwords',
  title: 'Accounts without a password cannot log in over SSH',
  severity: 'critical',
  rationale:
    'One account with an empty password field is enough, and everybody on the network has a shell on this node.',
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
    // It waits for the day on which somebody turns passwords on again.
    if (password.value === 'no' && interactive.value === 'no')
      return failAs('medium', evidence, evidenceOf(password, 'no'), evidenceOf(interactive, 'no'));
    return fail(evidence);
  },
});
