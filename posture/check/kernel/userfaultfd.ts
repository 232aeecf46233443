import { sysctlCheck } from './sysctl.ts';

export const userfaultfd = sysctlCheck({
  id: 'kernel.userfaultfd',
  title: 'userfaultfd is restricted',
  failTitle: 'userfaultfd is open to all processes',
  severity: 'low',
  rationale:
    'userfaultfd lets a process pause the kernel in the middle of a copy for any time, which exploits use to win races.',
  remediation:
    'Run sysctl -w vm.unprivileged_userfaultfd=0, and add the line to /etc/sysctl.d/99-zz-hardening.conf to keep it after a restart.',
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
