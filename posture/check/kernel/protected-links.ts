import { sysctlCheck } from './sysctl.ts';

export const protectedLinks = sysctlCheck({
  id: 'kernel.protected-links',
  title: 'Links in shared directories are protected',
  severity: 'medium',
  rationale:
    'In /tmp, a link that an attacker has placed leads a privileged program to a file that it never meant to touch.',
  remediation: 'sysctl -w fs.protected_symlinks=1 fs.protected_hardlinks=1, and the same lines below /etc/sysctl.d.',
  reference: 'https://docs.kernel.org/admin-guide/sysctl/fs.html',
  rules: [
    {
      name: 'fs.protected_symlinks',
      expected: '1',
      accepts: (value) => value === 1,
      whenAbsent: { notApplicable: 'this kernel cannot protect links' },
    },
    {
      name: 'fs.protected_hardlinks',
      expected: '1',
      accepts: (value) => value === 1,
      whenAbsent: { notApplicable: 'this kernel cannot protect links' },
    },
  ],
});
