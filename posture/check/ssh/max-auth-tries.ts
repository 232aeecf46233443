import { settingCheck } from './setting.ts';

export const maxAuthTries = settingCheck({
  id: 'ssh.max-auth-tries',
  title: 'Login attempts per connection are limited to 4',
  failTitle: 'Login attempts per connection exceed 4',
  severity: 'low',
  rationale:
    'Every further attempt per connection makes guessing cheaper, and failures are logged only after half of them.',
  remediation:
    'Set MaxAuthTries 4 and reload sshd. An agent with many keys uses up attempts: set IdentitiesOnly yes for such clients.',
  keyword: 'MaxAuthTries',
  expected: '4 or fewer',
  accepts: (value) => /^\d{1,9}$/.test(value) && Number(value) <= 4,
});
