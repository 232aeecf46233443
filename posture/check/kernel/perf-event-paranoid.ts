import { sysctlCheck } from './sysctl.ts';

export const perfEventParanoid = sysctlCheck({
  id: 'kernel.perf-event-paranoid',
  title: 'Unprivileged processes cannot profile the kernel',
  severity: 'low',
  rationale:
    'Performance counters leak what the kernel and other processes do, and the interface has had its own share of holes.',
  remediation:
    'sysctl -w kernel.perf_event_paranoid=2, and the same line in a file below /etc/sysctl.d so that it survives a restart. Debian and Ubuntu kernels know 3 and 4, which forbid it altogether.',
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
