import { sysctlCheck } from './sysctl.ts';

export const protectedLinks = sysctlCheck({
  id: 'kernel.protected-links',
  title: 'Links in shared directories are protected',
  failTitle: 'Links in shared directories are unprotected',
  severity: 'medium',
  rationale: 'A link that an attacker placed in /tmp directs a privileged program to another file.',
  remediation:
    'Run sysctl -w fs.protected_symlinks=1 fs.protected_hardlinks=1, and add both lines to /etc/sysctl.d/99-zz-hardening.conf.',
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
