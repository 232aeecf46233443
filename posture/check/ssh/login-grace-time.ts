import { secondsOf } from './seconds.ts';
import { settingCheck } from './setting.ts';

export const loginGraceTime = settingCheck({
  id: 'ssh.login-grace-time',
  title: 'Login time is limited to 60 seconds',
  failTitle: 'Login time is not limited to 60 seconds',
  severity: 'medium',
  rationale:
    'Each connection that waits for a login occupies a process; a few of them lock all others out. The value 0 means no limit.',
  remediation: 'Set LoginGraceTime 60 (or less, but not 0) and reload sshd.',
  keyword: 'LoginGraceTime',
  expected: '1 to 60 seconds',
  accepts: (value) => {
    const seconds = secondsOf(value);
    return seconds !== undefined && seconds >= 1 && seconds <= 60;
  },
});
