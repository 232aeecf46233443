import { sysctlCheck } from './sysctl.ts';

export const unprivilegedBpf = sysctlCheck({
  id: 'kernel.unprivileged-bpf',
  title: 'BPF is restricted to privileged processes',
  failTitle: 'BPF is open to unprivileged processes',
  severity: 'high',
  rationale:
    'Many vulnerabilities of the BPF verifier led from an unprivileged account to the kernel, and BPF programs help to exploit speculative execution.',
  remediation:
    'Run sysctl -w kernel.unprivileged_bpf_disabled=2, and add the line to /etc/sysctl.d/99-zz-hardening.conf to keep it after a restart. The value 1 is equally strict and cannot be reverted before the next boot.',
  rules: [
    {
      name: 'kernel.unprivileged_bpf_disabled',
      expected: '1 or 2',
      accepts: (value) => value === 1 || value === 2,
      whenAbsent: { notApplicable: 'this kernel has no bpf system call' },
    },
  ],
});
