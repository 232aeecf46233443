import { modeCheck } from './mode-and-owner.ts';

export const containerdConfigMode = modeCheck({
  id: 'file.containerd-config-mode',
  title: 'Only root can write the configuration of containerd',
  severity: 'high',
  role: 'containerdConfig',
  allowed: 0o644,
  rationale:
    'Write access to this file is enough to make containerd run another runtime, trust another registry or skip its verification.',
  remediation: 'chmod 0644 on config.toml and on every file that it imports; 0600 where it holds registry credentials.',
});
