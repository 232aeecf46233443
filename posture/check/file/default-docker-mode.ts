import { modeCheck } from './mode-and-owner.ts';

export const defaultDockerMode = modeCheck({
  id: 'file.default-docker-mode',
  title: 'Only root can write /etc/default/docker',
  severity: 'medium',
  role: 'defaultDocker',
  allowed: 0o644,
  rationale:
    'Where the unit or init script reads this file, write access means dockerd flags of their own choice, hence root.',
  remediation: 'chmod 0644 /etc/default/docker',
});
