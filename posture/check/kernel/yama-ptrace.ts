import { sysctlCheck } from './sysctl.ts';

export const yamaPtrace = sysctlCheck({
  id: 'kernel.yama-ptrace',
  title: 'ptrace is restricted by Yama',
  failTitle: 'ptrace is not restricted by Yama',
  severity: 'medium',
  rationale:
    'Without Yama, a compromised process reads memory and keys of every other process of the same user, including agents and shells.',
  remediation:
    'Boot with yama among the security modules (lsm=…,yama on the kernel command line where it is built in), then set kernel.yama.ptrace_scope=1 in /etc/sysctl.d/99-zz-hardening.conf.',
  reference: 'https://docs.kernel.org/admin-guide/LSM/Yama.html',
  rules: [
    {
      name: 'kernel.yama.ptrace_scope',
      expected: '1, 2 or 3',
      accepts: (value) => value >= 1 && value <= 3,
      whenAbsent: 'fail',
    },
  ],
});
