import { sysctlCheck } from './sysctl.ts';

/** Keyboard control, dumps and sync, by Documentation/admin-guide/sysrq.rst. 1 means all functions and is not among them. */
const HARMLESS = 4 | 8 | 16;

export const sysrq = sysctlCheck({
  id: 'kernel.sysrq',
  title: 'The magic SysRq key does no harm',
  severity: 'low',
  rationale:
    'On a console, SysRq kills processes, remounts file systems and reboots without a login; with access to /proc/sysrq-trigger so does a container.',
  remediation:
    'sysctl -w kernel.sysrq=0, and the same line in a file below /etc/sysctl.d so that it survives a restart. A mask of 4 (secure attention), 8 (dumps) and 16 (sync) is accepted.',
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
