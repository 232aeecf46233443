import { fail, pass } from '../../verdict.ts';
import { onlyBehindKey } from './authentication-methods.ts';
import { evidenceOf, sshCheck } from './setting.ts';

export const keyboardInteractive = sshCheck({
  id: 'ssh.keyboard-interactive',
  title: 'PAM password alone is not enough for SSH',
  failTitle: 'PAM password alone is enough for SSH',
  severity: 'high',
  rationale:
    'Keyboard-interactive login asks PAM, which asks for the password: while it is enabled, PasswordAuthentication no has no effect.',
  remediation:
    'First log in with a key as each account that has to. Then set KbdInteractiveAuthentication no; if it carries a second factor, set AuthenticationMethods publickey,keyboard-interactive instead. Run sshd -t, reload sshd, and log in again before you close the open session.',
  keywords: ['KbdInteractiveAuthentication', 'UsePAM'],
  optional: ['AuthenticationMethods'],
  judge: ({ KbdInteractiveAuthentication: interactive, UsePAM: pam, AuthenticationMethods: methods }) => {
    const evidence = evidenceOf(interactive, 'no');
    if (interactive.value === 'no') return pass(evidence);
    const pamEvidence = evidenceOf(pam, 'no, where keyboard-interactive is on');
    // Without PAM, no keyboard-interactive login works on Linux.
    if (pam.value === 'no') return pass(evidence, pamEvidence);
    return onlyBehindKey(methods.values, 'keyboard-interactive')
      ? pass(evidence, evidenceOf(methods, 'publickey in every alternative'))
      : fail(`PAM asks for a password alone${interactive.scope}`, evidence, pamEvidence);
  },
});
