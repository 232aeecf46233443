import { sysctlCheck } from './sysctl.ts';

export const ioUring = sysctlCheck({
  id: 'kernel.io-uring',
  title: 'io_uring is not open to every process',
  severity: 'low',
  rationale:
    'io_uring passes by the filters and the audit trail that are built on system calls, and has led to many kernel exploits.',
  remediation:
    'sysctl -w kernel.io_uring_disabled=1, and the same line in a file below /etc/sysctl.d so that it survives a restart. With 1 only members of kernel.io_uring_group may use it, with 2 nobody.',
  rules: [
    {
      name: 'kernel.io_uring_disabled',
      expected: '1 or 2',
      accepts: (value) => value === 1 || value === 2,
      whenAbsent: { notApplicable: 'this kernel cannot restrict io_uring (before 6.6), or is built without it' },
    },
  ],
});
