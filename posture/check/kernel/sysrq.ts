import { sysctlCheck } from './sysctl.ts';

/** Keyboard control, dumps and sync, by Documentation/admin-guide/sysrq.rst. 1 means all functions and is not among them. */
const HARMLESS = 4 | 8 | 16;

export const sysrq = sysctlCheck({
  id: 'kernel.sysrq',
  title: 'SysRq key is restricted',
  failTitle: 'SysRq key allows harmful functions',
  severity: 'low',
  rationale:
    'On a console, SysRq kills processes, remounts file systems and reboots without a login. A container with access to /proc/sysrq-trigger can do the same.',
  remediation:
    'Run sysctl -w kernel.sysrq=0, and add the line to /etc/sysctl.d/99-zz-hardening.conf to keep it after a restart. A mask of 4 (secure attention), 8 (dumps) and 16 (sync) is accepted.',
  reference: 'https://docs.kernel.org/admin-guide/sysrq.html',
  rules: [
    {
      name: 'kernel.sysrq',
      expected: '0, or a mask of 4, 8 and 16',
      accepts: (value) => (value & ~HARMLESS) === 0,
      whenAbsent: { notApplicable: 'this kernel has no SysRq' },
    },
  ],
});
