import { sysctlCheck } from './sysctl.ts';

export const tcpSyncookies = sysctlCheck({
  id: 'kernel.tcp-syncookies',
  title: 'SYN cookies are on',
  severity: 'low',
  rationale:
    'Without them a small flood of half-open connections fills the queue of a service and shuts everybody out.',
  remediation:
    'sysctl -w net.ipv4.tcp_syncookies=1, and the same line in a file below /etc/sysctl.d so that it survives a restart.',
  reference: 'https://docs.kernel.org/networking/ip-sysctl.html',
  rules: [
    {
      name: 'net.ipv4.tcp_syncookies',
      expected: '1 or 2',
      accepts: (value) => value === 1 || value === 2,
      whenAbsent: { notApplicable: 'this kernel has no SYN cookies' },
    },
  ],
});
