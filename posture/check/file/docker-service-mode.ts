import { modeCheck } from './mode-and-owner.ts';

export const dockerServiceMode = modeCheck({
  id: 'file.docker-service-mode',
  title: 'Only root can write the docker.service unit',
  severity: 'high',
  role: 'dockerServiceUnit',
  allowed: 0o644,
  rationale: 'A unit or drop-in that others can write lets them choose the command that systemd starts as root.',
  remediation: 'chmod 0644 on the unit and on each drop-in.',
});
