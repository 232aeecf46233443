import { sysctlCheck } from './sysctl.ts';

export const ioUring = sysctlCheck({
  id: 'kernel.io-uring',
  title: 'io_uring is restricted',
  failTitle: 'io_uring is available to all processes',
  severity: 'low',
  rationale:
    'io_uring bypasses filters and audit trails that are based on system calls, and has been the source of many kernel exploits.',
  remediation:
    'Run sysctl -w kernel.io_uring_disabled=1, and add the line to /etc/sysctl.d/99-zz-hardening.conf to keep it after a restart. With 1 only members of kernel.io_uring_group may use it, with 2 nobody.',
  rules: [
    {
      name: 'kernel.io_uring_disabled',
      expected: '1 or 2',
      accepts: (value) => value === 1 || value === 2,
      whenAbsent: { notApplicable: 'this kernel cannot restrict io_uring (before 6.6), or is built without it' },
    },
  ],
});
