import { sysctlCheck } from './sysctl.ts';

export const mmapMinAddr = sysctlCheck({
  id: 'kernel.mmap-min-addr',
  title: 'The lowest addresses cannot be mapped',
  severity: 'low',
  rationale:
    'Where the first pages can be mapped, a null pointer bug of the kernel reads what an attacker has put there.',
  remediation:
    'sysctl -w vm.mmap_min_addr=65536, and the same line in a file below /etc/sysctl.d so that it survives a restart.',
  reference: 'https://docs.kernel.org/admin-guide/sysctl/vm.html',
  rules: [
    {
      name: 'vm.mmap_min_addr',
      expected: '65536 or more',
      accepts: (value) => value >= 65_536,
      whenAbsent: { notApplicable: 'this kernel runs without an MMU' },
    },
  ],
});
