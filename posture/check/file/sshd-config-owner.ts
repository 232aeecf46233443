import { ownerCheck } from './mode-and-owner.ts';

export const sshdConfigOwner = ownerCheck({
  id: 'file.sshd-config-owner',
  title: 'The configuration of sshd belongs to root',
  severity: 'high',
  role: 'sshdConfig',
  rationale:
    'The owner of sshd_config or of a file that it includes can let himself in as root, or make sshd run a command of his as root.',
  remediation: 'chown root:root on sshd_config and on every file that it includes.',
});
