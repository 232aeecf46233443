import { modeCheck } from './mode-and-owner.ts';

export const dockerServerCertificateMode = modeCheck({
  id: 'file.docker-server-certificate-mode',
  title: "The server certificate of Docker's TCP port is read-only",
  severity: 'low',
  role: 'dockerServerCertificate',
  allowed: 0o444,
  rationale:
    'Nothing but its renewal has to write the certificate; write access for others lets them break or redirect the API.',
  remediation: 'chmod 0444 on the file that --tlscert names.',
});
