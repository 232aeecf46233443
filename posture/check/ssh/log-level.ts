import { settingCheck } from './setting.ts';

export const logLevel = settingCheck({
  id: 'ssh.log-level',
  title: 'sshd logs who logs in',
  severity: 'low',
  rationale:
    'Below INFO, logins and failures leave no trace; at a debug level, what users type can end up in the log. VERBOSE also records which key was used.',
  remediation: 'Set LogLevel VERBOSE (or INFO) and reload sshd.',
  keyword: 'LogLevel',
  expected: 'INFO or VERBOSE',
  accepts: (value) => value === 'info' || value === 'verbose',
});
