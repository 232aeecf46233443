import { secondsOf } from './seconds.ts';
import { settingCheck } from './setting.ts';
import { counted, parameterized } from '../parameter.ts';

export const loginGraceTime = parameterized(
  { maxSeconds: { doc: 'LoginGraceTime', default: 60, minimum: 1, maximum: 600 } },
  ({ maxSeconds }) =>
    settingCheck({
      id: 'ssh.login-grace-time',
      title: `Login time is limited to ${counted(maxSeconds, 'second')}`,
      failTitle: `Login time is not limited to ${counted(maxSeconds, 'second')}`,
      severity: 'medium',
      rationale:
        'Each connection that waits for a login occupies a process; a few of them lock all others out. The value 0 means no limit.',
      remediation: `Set LoginGraceTime ${String(maxSeconds)} (or less, but not 0) and reload sshd.`,
      keyword: 'LoginGraceTime',
      expected: `1 to ${counted(maxSeconds, 'second')}`,
      accepts: (value) => {
        const seconds = secondsOf(value);
        return seconds !== undefined && seconds >= 1 && seconds <= maxSeconds;
      },
    }),
);
