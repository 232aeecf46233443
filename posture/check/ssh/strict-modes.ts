import { settingCheck } from './setting.ts';

export const strictModes = settingCheck({
  id: 'ssh.strict-modes',
  title: 'Key files that others can write are not believed',
  severity: 'medium',
  rationale:
    'Without StrictModes, an account that can write the home of another adds its own key there and logs in as that one.',
  remediation: 'Remove StrictModes no from sshd_config and its drop-ins, and reload sshd.',
  keyword: 'StrictModes',
  expected: 'yes',
  accepts: (value) => value === 'yes',
});
