import { sysctlCheck } from './sysctl.ts';

export const terminalInjection = sysctlCheck({
  id: 'kernel.terminal-injection',
  title: 'Terminal input injection is blocked',
  failTitle: 'Terminal input injection is possible',
  severity: 'low',
  rationale:
    'With TIOCSTI, a program in a container that was started with the terminal of an administrator types commands into the shell of the administrator.',
  remediation:
    'Run sysctl -w dev.tty.legacy_tiocsti=0, and add the line to /etc/sysctl.d/99-zz-hardening.conf to keep it after a restart.',
  reference: 'https://man7.org/linux/man-pages/man2/TIOCSTI.2const.html',
  rules: [
    {
      name: 'dev.tty.legacy_tiocsti',
      expected: '0',
      accepts: (value) => value === 0,
      whenAbsent: { notApplicable: 'this kernel has no switch for it (before 6.2)' },
    },
  ],
});
