import { modeCheck } from './mode-and-owner.ts';

export const dockerdBinaryMode = modeCheck({
  id: 'file.dockerd-binary-mode',
  title: 'Only root can write the dockerd program',
  severity: 'high',
  role: 'dockerdBinary',
  allowed: 0o755,
  rationale:
    'Systemd starts dockerd as root at every boot: who can write the file runs as root. A set-id bit on it would give every account a root program to play with.',
  remediation: 'chmod 0755 on dockerd, then verify it against its package (dpkg --verify, rpm --verify).',
});
