import { settingCheck } from './setting.ts';

export const x11Forwarding = settingCheck({
  id: 'ssh.x11-forwarding',
  title: 'X11 forwarding is off',
  severity: 'medium',
  rationale:
    'Whoever controls the node can reach back through a forwarded display, and watch and type on the desktop of the administrator.',
  remediation: 'Set X11Forwarding no, in Match blocks too, and reload sshd; Debian and Ubuntu ship it as yes.',
  keyword: 'X11Forwarding',
  expected: 'no',
  accepts: (value) => value === 'no',
});
