import { secondsOf } from './seconds.ts';
import { settingCheck } from './setting.ts';

export const loginGraceTime = settingCheck({
  id: 'ssh.login-grace-time',
  title: 'Connections that do not log in are closed soon',
  severity: 'medium',
  rationale:
    'Connections that wait for a login hold a process each, and a handful of them keep everybody else out. 0 means that they may wait for ever.',
  remediation: 'Set LoginGraceTime 60 (or less, but not 0) and reload sshd.',
  keyword: 'LoginGraceTime',
  expected: '1 to 60 seconds',
  accepts: (value) => {
    const seconds = secondsOf(value);
    return seconds !== undefined && seconds >= 1 && seconds <= 60;
  },
});
