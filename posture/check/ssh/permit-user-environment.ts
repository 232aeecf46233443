import { fail, pass } from '../../verdict.ts';
import { evidenceOf, sshCheck } from './setting.ts';

export const permitUserEnvironment = sshCheck({
  id: 'ssh.permit-user-environment',
  title: 'Users cannot set the environment of their login',
  severity: 'medium',
  rationale:
    'With ~/.ssh/environment, an account that is held to one command preloads a library of its own and runs what it likes.',
  remediation: 'Remove PermitUserEnvironment from sshd_config and its drop-ins, and reload sshd.',
  keywords: ['PermitUserEnvironment'],
  judge: ({ PermitUserEnvironment: permitted }) => {
    const evidence = evidenceOf(permitted, 'no');
    // In any other spelling, `No`, it is a pattern of variables.
    return permitted.values[0] === 'no' ? pass(evidence) : fail(evidence);
  },
});
