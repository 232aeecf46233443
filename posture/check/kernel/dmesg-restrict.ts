import { sysctlCheck } from './sysctl.ts';

export const dmesgRestrict = sysctlCheck({
  id: 'kernel.dmesg-restrict',
  title: 'Kernel log is restricted to privileged users',
  failTitle: 'Kernel log is readable by all users',
  severity: 'low',
  rationale:
    'The kernel log shows addresses, devices and crashes of other containers, which helps to prepare an escape.',
  remediation:
    'Run sysctl -w kernel.dmesg_restrict=1, and add the line to /etc/sysctl.d/99-zz-hardening.conf to keep it after a restart.',
  rules: [
    {
      name: 'kernel.dmesg_restrict',
      expected: '1',
      accepts: (value) => value === 1,
      whenAbsent: { notApplicable: 'this kernel has no kernel log' },
    },
  ],
});
