import { sysctlCheck } from './sysctl.ts';

export const dmesgRestrict = sysctlCheck({
  id: 'kernel.dmesg-restrict',
  title: 'The kernel log is for privileged processes only',
  severity: 'low',
  rationale:
    'The kernel log tells addresses, devices and crashes of other containers: useful to somebody who prepares an escape.',
  remediation:
    'sysctl -w kernel.dmesg_restrict=1, and the same line in a file below /etc/sysctl.d so that it survives a restart.',
  rules: [
    {
      name: 'kernel.dmesg_restrict',
      expected: '1',
      accepts: (value) => value === 1,
      whenAbsent: { notApplicable: 'this kernel has no kernel log' },
    },
  ],
});
