import { ownerCheck } from './mode-and-owner.ts';

export const dockerSocketUnitOwner = ownerCheck({
  id: 'file.docker-socket-unit-owner',
  title: 'The docker.socket unit belongs to root',
  severity: 'medium',
  role: 'dockerSocketUnit',
  rationale:
    'The unit sets path, owner, group and mode of the Docker socket. Its owner can open the socket to everybody at the next start.',
  remediation: 'chown root:root on docker.socket and its drop-ins.',
});
