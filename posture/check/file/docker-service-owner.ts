import { ownerCheck } from './mode-and-owner.ts';

export const dockerServiceOwner = ownerCheck({
  id: 'file.docker-service-owner',
  title: 'The docker.service unit belongs to root',
  severity: 'high',
  role: 'dockerServiceUnit',
  rationale: 'systemd runs as root whatever the unit and its drop-ins name: their owner can start any program as root.',
  remediation:
    'chown root:root on the unit and on each drop-in, then find out who changed the owner: packages install both for root.',
});
