import { sysctlCheck } from './sysctl.ts';

export const perfEventParanoid = sysctlCheck({
  id: 'kernel.perf-event-paranoid',
  title: 'Performance events are restricted',
  failTitle: 'Performance events are not restricted',
  severity: 'low',
  rationale:
    'Performance counters reveal what the kernel and other processes do, and the interface has had vulnerabilities of its own.',
  remediation:
    'Run sysctl -w kernel.perf_event_paranoid=2, and add the line to /etc/sysctl.d/99-zz-hardening.conf to keep it after a restart. Debian and Ubuntu kernels know 3 and 4, which forbid it altogether.',
  reference: 'https://docs.kernel.org/admin-guide/perf-security.html',
  rules: [
    {
      name: 'kernel.perf_event_paranoid',
      expected: '2 or more',
      accepts: (value) => value >= 2,
      whenAbsent: { notApplicable: 'this kernel has no performance events' },
    },
  ],
});
