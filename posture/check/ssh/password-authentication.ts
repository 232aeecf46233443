import { fail, pass } from '../../verdict.ts';
import { onlyBehindKey } from './authentication-methods.ts';
import { evidenceOf, sshCheck } from './setting.ts';

export const passwordAuthentication = sshCheck({
  id: 'ssh.password-authentication',
  title: 'A password alone is not enough for SSH',
  failTitle: 'A password alone is enough for SSH',
  severity: 'high',
  rationale:
    'Passwords are guessed, reused and phished. An SSH port that accepts them is attacked as soon as it is reachable.',
  remediation:
    'Set PasswordAuthentication no, including Match blocks and drop-ins (cloud images have one that says yes), when everyone has a key, and reload sshd.',
  keywords: ['PasswordAuthentication'],
  optional: ['AuthenticationMethods'],
  judge: ({ PasswordAuthentication: password, AuthenticationMethods: methods }) => {
    const evidence = evidenceOf(password, 'no');
    if (password.value === 'no') return pass(evidence);
    return onlyBehindKey(methods.values, 'password')
      ? pass(evidence, evidenceOf(methods, 'publickey in every alternative'))
      : fail(`a password alone is enough to log in${password.scope}`, evidence);
  },
});
