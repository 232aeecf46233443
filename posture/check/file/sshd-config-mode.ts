import { modeCheck } from './mode-and-owner.ts';

export const sshdConfigMode = modeCheck({
  id: 'file.sshd-config-mode',
  title: 'Only root can write the configuration of sshd',
  severity: 'medium',
  role: 'sshdConfig',
  allowed: 0o644,
  rationale:
    'Write access to sshd_config or to an included file is enough to allow empty passwords, root logins or a key command of their own.',
  remediation: 'chmod 0600 (0644 at most) on sshd_config and on every file that it includes.',
});
