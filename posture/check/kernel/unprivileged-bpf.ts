import { sysctlCheck } from './sysctl.ts';

export const unprivilegedBpf = sysctlCheck({
  id: 'kernel.unprivileged-bpf',
  title: 'Unprivileged processes cannot load BPF programs',
  severity: 'high',
  rationale:
    'The BPF verifier has had many holes that lead from an ordinary account to the kernel, and BPF programs help to exploit speculative execution.',
  remediation:
    'sysctl -w kernel.unprivileged_bpf_disabled=2, and the same line in a file below /etc/sysctl.d so that it survives a restart. The value 1 is as good and cannot be taken back before the next boot.',
  rules: [
    {
      name: 'kernel.unprivileged_bpf_disabled',
      expected: '1 or 2',
      accepts: (value) => value === 1 || value === 2,
      whenAbsent: { notApplicable: 'this kernel has no bpf system call' },
    },
  ],
});
