import { settingCheck } from './setting.ts';

export const strictModes = settingCheck({
  id: 'ssh.strict-modes',
  title: 'sshd checks permissions of key files',
  failTitle: 'sshd does not check permissions of key files',
  severity: 'medium',
  rationale:
    'Without StrictModes, an account that can write to the home directory of another can add a key there and log in as that user.',
  remediation: 'Remove StrictModes no from sshd_config and its drop-ins, and reload sshd.',
  keyword: 'StrictModes',
  expected: 'yes',
  accepts: (value) => value === 'yes',
});
