import { modeCheck } from './mode-and-owner.ts';

export const sysconfigDockerMode = modeCheck({
  id: 'file.sysconfig-docker-mode',
  title: 'Only root can write /etc/sysconfig/docker',
  severity: 'medium',
  role: 'sysconfigDocker',
  allowed: 0o644,
  rationale:
    'On Red Hat style systems the unit takes flags of dockerd from this file: who can write it commands dockerd at its next start.',
  remediation: 'chmod 0644 /etc/sysconfig/docker',
});
