import { ownerCheck } from './mode-and-owner.ts';

export const sshHostKeyOwner = ownerCheck({
  id: 'file.ssh-host-key-owner',
  title: 'The private host keys of sshd belong to root',
  severity: 'high',
  role: 'sshHostKey',
  groups: () => ['ssh_keys'],
  rationale: 'The owner of a host key can read it at any time and pose as this node.',
  remediation: 'chown root:root /etc/ssh/ssh_host_*_key',
});
