import { sysctlCheck } from './sysctl.ts';

export const tcpSyncookies = sysctlCheck({
  id: 'kernel.tcp-syncookies',
  title: 'TCP SYN cookies are enabled',
  failTitle: 'TCP SYN cookies are disabled',
  severity: 'low',
  rationale:
    'Without them a small flood of half-open connections fills the queue of a service, which then refuses all clients.',
  remediation:
    'Run sysctl -w net.ipv4.tcp_syncookies=1, and add the line to /etc/sysctl.d/99-zz-hardening.conf to keep it after a restart.',
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
