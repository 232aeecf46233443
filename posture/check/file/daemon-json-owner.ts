import { ownerCheck } from './mode-and-owner.ts';

export const daemonJsonOwner = ownerCheck({
  id: 'file.daemon-json-owner',
  title: 'daemon.json belongs to root',
  severity: 'high',
  role: 'daemonJson',
  rationale:
    'Whoever owns daemon.json decides what dockerd, which runs as root, does at its next start: a runtime of his own choice, an open TCP port, no seccomp.',
  remediation: 'chown root:root on the file that dockerd reads (--config-file, otherwise /etc/docker/daemon.json).',
});
