import { ownerCheck } from './mode-and-owner.ts';

export const dockerConfigDirectoryOwner = ownerCheck({
  id: 'file.docker-config-directory-owner',
  title: 'The Docker configuration directory belongs to root',
  severity: 'medium',
  role: 'dockerConfigDirectory',
  rationale:
    'The owner of a directory can replace every file in it, whatever the modes of those files are: daemon.json and the certificates of registries stand here.',
  remediation: 'chown root:root on the directory of daemon.json (usually /etc/docker).',
});
