import { modeCheck } from './mode-and-owner.ts';

export const dockerConfigDirectoryMode = modeCheck({
  id: 'file.docker-config-directory-mode',
  title: 'Only root can change the Docker configuration directory',
  severity: 'medium',
  role: 'dockerConfigDirectory',
  allowed: 0o755,
  rationale:
    'Write access to the directory is enough to exchange daemon.json or to add a trusted certificate for a registry.',
  remediation: 'chmod 0755 on the directory of daemon.json (usually /etc/docker).',
});
