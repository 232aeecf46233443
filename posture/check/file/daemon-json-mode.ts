import { modeCheck } from './mode-and-owner.ts';

export const daemonJsonMode = modeCheck({
  id: 'file.daemon-json-mode',
  title: 'Only root can write daemon.json',
  severity: 'high',
  role: 'daemonJson',
  allowed: 0o644,
  rationale: 'A daemon.json that others can write hands them root at the next start of dockerd.',
  remediation: 'chmod 0644 on the file; 0600 where it holds proxy credentials.',
});
