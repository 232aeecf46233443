import { ownerCheck } from './mode-and-owner.ts';

export const containerdConfigOwner = ownerCheck({
  id: 'file.containerd-config-owner',
  title: 'The configuration of containerd belongs to root',
  severity: 'high',
  role: 'containerdConfig',
  rationale:
    'The configuration names the runtimes and helper programs that containerd runs as root: its owner chooses them.',
  remediation: 'chown root:root on config.toml and on every file that it imports.',
});
