import { settingCheck } from './setting.ts';

export const logLevel = settingCheck({
  id: 'ssh.log-level',
  title: 'sshd log level is INFO or VERBOSE',
  failTitle: 'sshd log level is not INFO or VERBOSE',
  severity: 'low',
  rationale:
    'Below INFO, logins and failures are not logged. At a debug level, the log can contain what users type. VERBOSE also records which key was used.',
  remediation: 'Set LogLevel VERBOSE (or INFO) and reload sshd.',
  keyword: 'LogLevel',
  expected: 'INFO or VERBOSE',
  accepts: (value) => value === 'info' || value === 'verbose',
});
