import { sysctlCheck } from './sysctl.ts';

export const aslr = sysctlCheck({
  id: 'kernel.aslr',
  title: 'Address space is fully randomised',
  severity: 'medium',
  rationale: 'With a fixed layout a memory bug becomes a working exploit at the first attempt.',
  remediation:
    'sysctl -w kernel.randomize_va_space=2, and the same line in a file below /etc/sysctl.d so that it survives a restart. Also take norandmaps off the kernel command line.',
  rules: [
    {
      name: 'kernel.randomize_va_space',
      expected: '2',
      accepts: (value) => value === 2,
      whenAbsent: { notApplicable: 'this kernel has no address space randomisation setting' },
    },
  ],
});
