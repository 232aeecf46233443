import { settingCheck } from './setting.ts';

export const permitUserEnvironment = settingCheck({
  id: 'ssh.permit-user-environment',
  title: 'Users cannot set the environment of their login',
  severity: 'medium',
  rationale:
    'With ~/.ssh/environment, an account that is held to one command preloads a library of its own and runs what it likes.',
  remediation: 'Remove PermitUserEnvironment from sshd_config and its drop-ins, and reload sshd.',
  keyword: 'PermitUserEnvironment',
  expected: 'no',
  accepts: (value) => value === 'no',
});
