import { sysctlCheck } from './sysctl.ts';

export const mmapMinAddr = sysctlCheck({
  id: 'kernel.mmap-min-addr',
  title: 'Low memory addresses cannot be mapped',
  failTitle: 'Low memory addresses can be mapped',
  severity: 'low',
  rationale: 'If the first pages can be mapped, a null pointer bug of the kernel reads data of the attacker.',
  remediation:
    'Run sysctl -w vm.mmap_min_addr=65536, and add the line to /etc/sysctl.d/99-zz-hardening.conf to keep it after a restart.',
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
