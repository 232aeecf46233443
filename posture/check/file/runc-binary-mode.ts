import { modeCheck } from './mode-and-owner.ts';

export const runcBinaryMode = modeCheck({
  id: 'file.runc-binary-mode',
  title: 'Only root can write the runc program',
  severity: 'high',
  role: 'runcBinary',
  allowed: 0o755,
  rationale:
    'Runc is run as root for every container that starts and for every exec: who can write the file runs as root. A set-id bit on it would give every account a root program to play with.',
  remediation: 'chmod 0755 on runc, then verify it against its package (dpkg --verify, rpm --verify).',
});
