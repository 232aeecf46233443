import { settingCheck } from './setting.ts';

/** Root may log in, but not with a password. */
const WITHOUT_PASSWORD: ReadonlySet<string> = new Set([
  'prohibit-password',
  'without-password',
  'forced-commands-only',
]);

export const rootLogin = settingCheck({
  id: 'ssh.root-login',
  title: 'root cannot log in over SSH',
  severity: 'high',
  rationale:
    'Each node has an account root, so it is the one that is guessed; and what is done as root directly is done by nobody in the audit trail.',
  remediation: 'Set PermitRootLogin no, in Match blocks too, reload sshd, and use accounts of people with sudo.',
  keyword: 'PermitRootLogin',
  expected: 'no',
  accepts: (value) => value === 'no',
  milder: (value) => (WITHOUT_PASSWORD.has(value) ? 'low' : undefined),
});
