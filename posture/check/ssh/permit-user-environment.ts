import { fail, pass } from '../../verdict.ts';
import { evidenceOf, inEffect, sshCheck } from './setting.ts';

export const permitUserEnvironment = sshCheck({
  id: 'ssh.permit-user-environment',
  title: 'Users cannot set their login environment',
  failTitle: 'Users can set their login environment',
  severity: 'medium',
  rationale:
    'With ~/.ssh/environment, an account that is restricted to one command preloads a library and runs any code.',
  remediation: 'Remove PermitUserEnvironment from sshd_config and its drop-ins, and reload sshd.',
  keywords: ['PermitUserEnvironment'],
  judge: ({ PermitUserEnvironment: permitted }) => {
    const evidence = evidenceOf(permitted, 'no');
    // In any other spelling, `No`, it is a pattern of variables.
    return permitted.values[0] === 'no'
      ? pass(evidence)
      : fail(`users can set variables of their login: ${inEffect(permitted)}`, evidence);
  },
});
