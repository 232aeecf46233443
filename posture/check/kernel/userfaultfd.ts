import { sysctlCheck } from './sysctl.ts';

export const userfaultfd = sysctlCheck({
  id: 'kernel.userfaultfd',
  title: 'Unprivileged processes cannot stall the kernel with userfaultfd',
  severity: 'low',
  rationale:
    'userfaultfd lets a process stop the kernel in the middle of a copy for as long as it likes: the favourite way to win a race in an exploit.',
  remediation:
    'sysctl -w vm.unprivileged_userfaultfd=0, and the same line in a file below /etc/sysctl.d so that it survives a restart.',
  reference: 'https://docs.kernel.org/admin-guide/sysctl/vm.html',
  rules: [
    {
      name: 'vm.unprivileged_userfaultfd',
      expected: '0',
      accepts: (value) => value === 0,
      whenAbsent: { notApplicable: 'this kernel has no userfaultfd for unprivileged processes' },
    },
  ],
});
