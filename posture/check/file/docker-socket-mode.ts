import { modeCheck } from './mode-and-owner.ts';

export const dockerSocketMode = modeCheck({
  id: 'file.docker-socket-mode',
  title: 'Only root and the Docker group can open the Docker socket',
  severity: 'critical',
  role: 'dockerSocket',
  allowed: 0o660,
  rationale:
    'Whoever can open this socket can start a container with the root file system of the node in it: write access for others makes every account root.',
  remediation:
    'Set SocketMode=0660 in docker.socket and restart it (systemctl restart docker.socket docker); never chmod the socket to 0666.',
});
