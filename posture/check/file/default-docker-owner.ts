import { ownerCheck } from './mode-and-owner.ts';

export const defaultDockerOwner = ownerCheck({
  id: 'file.default-docker-owner',
  title: '/etc/default/docker belongs to root',
  severity: 'medium',
  role: 'defaultDocker',
  rationale: 'Where the unit or init script reads this file, its owner sets the flags and the environment of dockerd.',
  remediation: 'chown root:root /etc/default/docker',
});
