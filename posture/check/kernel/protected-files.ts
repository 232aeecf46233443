import { sysctlCheck } from './sysctl.ts';

export const protectedFiles = sysctlCheck({
  id: 'kernel.protected-files',
  title: 'FIFOs and files in shared directories are protected',
  failTitle: 'FIFOs or files in shared directories are unprotected',
  severity: 'medium',
  rationale:
    'If a privileged program opens a known name in /tmp for writing, an attacker can have placed a FIFO or a file there.',
  remediation:
    'Run sysctl -w fs.protected_fifos=1 fs.protected_regular=2, and add both lines to /etc/sysctl.d/99-zz-hardening.conf.',
  reference: 'https://docs.kernel.org/admin-guide/sysctl/fs.html',
  rules: [
    {
      name: 'fs.protected_fifos',
      expected: '1 or 2',
      accepts: (value) => value === 1 || value === 2,
      whenAbsent: { notApplicable: 'this kernel cannot protect pipes (before 4.19)' },
    },
    {
      name: 'fs.protected_regular',
      expected: '1 or 2',
      accepts: (value) => value === 1 || value === 2,
      whenAbsent: { notApplicable: 'this kernel cannot protect files (before 4.19)' },
    },
  ],
});
