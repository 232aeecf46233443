import { sysctlCheck } from './sysctl.ts';

export const protectedFiles = sysctlCheck({
  id: 'kernel.protected-files',
  title: 'Files and pipes in shared directories are protected',
  severity: 'medium',
  rationale:
    'A privileged program that opens a known name in /tmp for writing can be given a pipe or a file that belongs to the attacker.',
  remediation: 'sysctl -w fs.protected_fifos=1 fs.protected_regular=2, and the same lines below /etc/sysctl.d.',
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
