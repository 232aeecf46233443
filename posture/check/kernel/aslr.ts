import { sysctlCheck } from './sysctl.ts';

export const aslr = sysctlCheck({
  id: 'kernel.aslr',
  title: 'Address space layout is fully randomised',
  failTitle: 'Address space layout is not fully randomised',
  severity: 'medium',
  rationale: 'With a fixed layout a memory bug becomes a working exploit at the first attempt.',
  remediation:
    'Run sysctl -w kernel.randomize_va_space=2, and add the line to /etc/sysctl.d/99-zz-hardening.conf to keep it after a restart. Also remove norandmaps from the kernel command line.',
  rules: [
    {
      name: 'kernel.randomize_va_space',
      expected: '2',
      accepts: (value) => value === 2,
      whenAbsent: { notApplicable: 'this kernel has no address space randomisation setting' },
    },
  ],
});
