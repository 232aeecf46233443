import { modeCheck } from './mode-and-owner.ts';

export const dockerSocketUnitMode = modeCheck({
  id: 'file.docker-socket-unit-mode',
  title: 'Only root can write the docker.socket unit',
  severity: 'medium',
  role: 'dockerSocketUnit',
  allowed: 0o644,
  rationale: 'Who can write this unit can set SocketMode=0666, and with it give every account of the node root.',
  remediation: 'chmod 0644 on docker.socket and its drop-ins.',
});
