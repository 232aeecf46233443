import { sysctlCheck } from './sysctl.ts';

export const bpfJitHarden = sysctlCheck({
  id: 'kernel.bpf-jit-harden',
  title: 'BPF JIT hardening is enabled',
  failTitle: 'BPF JIT hardening is disabled',
  severity: 'low',
  rationale:
    'Without hardening, constants of a BPF program become machine code unchanged, which lets an attacker place chosen code in kernel memory.',
  remediation:
    'Run sysctl -w net.core.bpf_jit_harden=1, and add the line to /etc/sysctl.d/99-zz-hardening.conf to keep it after a restart. The value 2 covers root as well and reduces throughput of network plugins that use eBPF.',
  reference: 'https://docs.kernel.org/admin-guide/sysctl/net.html',
  rules: [
    {
      name: 'net.core.bpf_jit_harden',
      expected: '1 or 2',
      accepts: (value) => value === 1 || value === 2,
      whenAbsent: { notApplicable: 'this kernel has no BPF compiler' },
    },
  ],
});
