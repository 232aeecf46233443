import { modeCheck } from './mode-and-owner.ts';

export const sshHostKeyMode = modeCheck({
  id: 'file.ssh-host-key-mode',
  title: 'Only root can read the private host keys of sshd',
  severity: 'high',
  role: 'sshHostKey',
  // Red Hat style systems up to release 8 give the keys to the group ssh_keys, for a set-gid signing helper.
  allowed: ({ stat }) => (stat.state === 'seen' && stat.value.group === 'ssh_keys' ? 0o640 : 0o600),
  rationale:
    'With a host key anybody can pose as this node towards its administrators, take the passwords they type and use the agents they forward.',
  remediation: 'chmod 0600 on /etc/ssh/ssh_host_*_key; make new host keys if others could read them.',
});
