import { modeCheck } from './mode-and-owner.ts';

export const dockerCaCertificateMode = modeCheck({
  id: 'file.docker-ca-certificate-mode',
  title: "The CA certificate of Docker's TCP port is read-only",
  severity: 'low',
  role: 'dockerCaCertificate',
  allowed: 0o444,
  rationale:
    'A CA file that others can write lets them admit clients of their own. Read-only for root as well guards against accidents.',
  remediation: 'chmod 0444 on the file that --tlscacert names.',
});
