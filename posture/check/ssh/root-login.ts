import { settingCheck } from './setting.ts';

/** Root may log in, but not with a password. */
const WITHOUT_PASSWORD: ReadonlySet<string> = new Set([
  'prohibit-password',
  'without-password',
  'forced-commands-only',
]);

export const rootLogin = settingCheck({
  id: 'ssh.root-login',
  title: 'Root login over SSH is disabled',
  failTitle: 'Root login over SSH is enabled',
  severity: 'high',
  severityLevels: [
    { severity: 'high', when: 'root can log in with a password' },
    { severity: 'low', when: 'root can log in with a key only' },
  ],
  rationale:
    'Every host has the account root, so attackers guess it first, and the audit trail does not show who acted as root.',
  remediation:
    'First log in with a personal account and use sudo there. Then set PermitRootLogin no, including Match blocks, run sshd -t, reload sshd, and log in again before you close the open session.',
  keyword: 'PermitRootLogin',
  expected: 'no',
  accepts: (value) => value === 'no',
  milder: (value) => (WITHOUT_PASSWORD.has(value) ? 'low' : undefined),
});
