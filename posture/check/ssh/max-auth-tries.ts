import { settingCheck } from './setting.ts';

export const maxAuthTries = settingCheck({
  id: 'ssh.max-auth-tries',
  title: 'A connection allows few attempts to log in',
  severity: 'low',
  rationale:
    'Each further attempt a connection makes guessing cheaper, and failures are logged only after half of them.',
  remediation:
    'Set MaxAuthTries 4 and reload sshd. An agent with many keys uses up attempts: give such clients IdentitiesOnly yes.',
  keyword: 'MaxAuthTries',
  expected: '4 or fewer',
  accepts: (value) => /^\d{1,9}$/.test(value) && Number(value) <= 4,
});
