import { sysctlCheck } from './sysctl.ts';

export const lineDisciplineAutoload = sysctlCheck({
  id: 'kernel.line-discipline-autoload',
  title: 'Terminal line disciplines are not loaded on demand',
  severity: 'low',
  rationale:
    'Old, rarely tested line disciplines are kernel modules that any process with a terminal can pull in; several have had holes.',
  remediation:
    'sysctl -w dev.tty.ldisc_autoload=0, and the same line in a file below /etc/sysctl.d so that it survives a restart.',
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
