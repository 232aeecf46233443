import { settingCheck } from './setting.ts';

export const x11Forwarding = settingCheck({
  id: 'ssh.x11-forwarding',
  title: 'X11 forwarding is disabled',
  failTitle: 'X11 forwarding is enabled',
  severity: 'medium',
  rationale:
    'An attacker who controls the host can connect back through a forwarded display, and observe and control the desktop of the administrator.',
  remediation: 'Set X11Forwarding no, including Match blocks, and reload sshd. Debian and Ubuntu ship it as yes.',
  keyword: 'X11Forwarding',
  expected: 'no',
  accepts: (value) => value === 'no',
});
