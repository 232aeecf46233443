import { sysctlCheck } from './sysctl.ts';

export const lineDisciplineAutoload = sysctlCheck({
  id: 'kernel.line-discipline-autoload',
  title: 'TTY line disciplines are not auto-loaded',
  failTitle: 'TTY line disciplines are auto-loaded',
  severity: 'low',
  rationale:
    'Line disciplines are old, rarely tested kernel modules that any process with a terminal can load. Several have had vulnerabilities.',
  remediation:
    'Run sysctl -w dev.tty.ldisc_autoload=0, and add the line to /etc/sysctl.d/99-zz-hardening.conf to keep it after a restart.',
  reference: 'https://docs.kernel.org/driver-api/tty/tty_ldisc.html',
  rules: [
    {
      name: 'dev.tty.ldisc_autoload',
      expected: '0',
      accepts: (value) => value === 0,
      whenAbsent: { notApplicable: 'this kernel has no switch for it (before 5.1)' },
    },
  ],
});
