import { fail, pass } from '../../verdict.ts';
import { onlyBehindKey } from './authentication-methods.ts';
import { evidenceOf, sshCheck } from './setting.ts';

export const keyboardInteractive = sshCheck({
  id: 'ssh.keyboard-interactive',
  title: 'PAM takes no passwords behind the back of PasswordAuthentication',
  severity: 'high',
  rationale:
    'Keyboard-interactive login asks PAM, and PAM asks for the password: with it on, PasswordAuthentication no closes nothing.',
  remediation:
    'Set KbdInteractiveAuthentication no; where it carries a second factor, set AuthenticationMethods publickey,keyboard-interactive instead. Reload sshd.',
  keywords: ['KbdInteractiveAuthentication', 'UsePAM'],
  optional: ['AuthenticationMethods'],
  judge: ({ KbdInteractiveAuthentication: interactive, UsePAM: pam, AuthenticationMethods: methods }) => {
    const evidence = evidenceOf(interactive, 'no');
    if (interactive.value === 'no') return pass(evidence);
    const pamEvidence = evidenceOf(pam, 'no, where keyboard-interactive is on');
    // Without PAM, nothing on Linux answers a keyboard-interactive login.
    if (pam.value === 'no') return pass(evidence, pamEvidence);
    return onlyBehindKey(methods.values, 'keyboard-interactive')
      ? pass(evidence, evidenceOf(methods, 'publickey in every alternative'))
      : fail(evidence, pamEvidence);
  },
});
