import { sysctlCheck } from './sysctl.ts';

export const bpfJitHarden = sysctlCheck({
  id: 'kernel.bpf-jit-harden',
  title: 'Compiled BPF programs are hardened',
  severity: 'low',
  rationale:
    "Without hardening, constants of a BPF program become machine code as they are: a way to place code of an attacker's choice in kernel memory.",
  remediation:
    'sysctl -w net.core.bpf_jit_harden=1, and the same line in a file below /etc/sysctl.d so that it survives a restart. The value 2 covers root as well and costs throughput where the network plugin is built on eBPF.',
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
