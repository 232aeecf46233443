import { modeCheck } from './mode-and-owner.ts';

export const containerdBinaryMode = modeCheck({
  id: 'file.containerd-binary-mode',
  title: 'Only root can write the containerd program',
  severity: 'high',
  role: 'containerdBinary',
  allowed: 0o755,
  rationale:
    'Containerd runs as root and starts every container: who can write the file runs as root. A set-id bit on it would give every account a root program to play with.',
  remediation: 'chmod 0755 on containerd, then verify it against its package (dpkg --verify, rpm --verify).',
});
