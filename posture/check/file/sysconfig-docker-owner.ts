import { ownerCheck } from './mode-and-owner.ts';

export const sysconfigDockerOwner = ownerCheck({
  id: 'file.sysconfig-docker-owner',
  title: '/etc/sysconfig/docker belongs to root',
  severity: 'medium',
  role: 'sysconfigDocker',
  rationale: 'On Red Hat style systems the unit takes flags of dockerd from this file: its owner sets them.',
  remediation: 'chown root:root /etc/sysconfig/docker',
});
