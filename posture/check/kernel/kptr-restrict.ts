import { sysctlCheck } from './sysctl.ts';

export const kptrRestrict = sysctlCheck({
  id: 'kernel.kptr-restrict',
  title: 'Kernel addresses are hidden',
  severity: 'medium',
  rationale:
    'Addresses in /proc/kallsyms and the like spare an attacker the guess where the kernel lies in memory, which is what address randomisation is worth.',
  remediation:
    'sysctl -w kernel.kptr_restrict=1, and the same line in a file below /etc/sysctl.d so that it survives a restart. The value 2 hides them from root as well.',
  rules: [
    {
      name: 'kernel.kptr_restrict',
      expected: '1 or 2',
      accepts: (value) => value === 1 || value === 2,
      whenAbsent: { notApplicable: 'this kernel cannot restrict kernel addresses' },
    },
  ],
});
