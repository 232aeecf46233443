import { fail, pass } from '../../verdict.ts';
import { onlyBehindKey } from './authentication-methods.ts';
import { evidenceOf, sshCheck } from './setting.ts';

export const passwordAuthentication = sshCheck({
  id: 'ssh.password-authentication',
  title: 'Nobody logs in over SSH with a password alone',
  severity: 'high',
  rationale: 'Passwords are guessed, reused and phished; an SSH port that takes them is under attack the day it opens.',
  remediation:
    'Set PasswordAuthentication no, in Match blocks and in drop-ins too (cloud images bring one that says yes), once everybody has a key; reload sshd.',
  keywords: ['PasswordAuthentication'],
  optional: ['AuthenticationMethods'],
  judge: ({ PasswordAuthentication: password, AuthenticationMethods: methods }) => {
    const evidence = evidenceOf(password, 'no');
    if (password.value === 'no') return pass(evidence);
    return onlyBehindKey(methods.values, 'password')
      ? pass(evidence, evidenceOf(methods, 'publickey in every alternative'))
      : fail(evidence);
  },
});
