import { settingCheck } from './setting.ts';
import { parameterized } from '../parameter.ts';

export const maxAuthTries = parameterized(
  { maxTries: { doc: 'MaxAuthTries', default: 4, minimum: 1, maximum: 100 } },
  ({ maxTries }) =>
    settingCheck({
      id: 'ssh.max-auth-tries',
      title: `Login attempts per connection are limited to ${String(maxTries)}`,
      failTitle: `Login attempts per connection exceed ${String(maxTries)}`,
      severity: 'low',
      rationale:
        'Every further attempt per connection makes guessing cheaper, and failures are logged only after half of them.',
      remediation: `Set MaxAuthTries ${String(maxTries)} and reload sshd. An agent with many keys uses up attempts: set IdentitiesOnly yes for such clients.`,
      keyword: 'MaxAuthTries',
      expected: `${String(maxTries)} or fewer`,
      accepts: (value) => /^\d{1,9}$/.test(value) && Number(value) <= maxTries,
    }),
);
