import { sysctlCheck } from './sysctl.ts';

export const kptrRestrict = sysctlCheck({
  id: 'kernel.kptr-restrict',
  title: 'Kernel addresses are hidden',
  failTitle: 'Kernel addresses are not hidden',
  severity: 'medium',
  rationale:
    'Addresses in /proc/kallsyms and similar files reveal where the kernel is in memory, which defeats address randomisation.',
  remediation:
    'Run sysctl -w kernel.kptr_restrict=1, and add the line to /etc/sysctl.d/99-zz-hardening.conf to keep it after a restart. The value 2 hides them from root as well.',
  rules: [
    {
      name: 'kernel.kptr_restrict',
      expected: '1 or 2',
      accepts: (value) => value === 1 || value === 2,
      whenAbsent: { notApplicable: 'this kernel cannot restrict kernel addresses' },
    },
  ],
});
