import { ownerCheck } from './mode-and-owner.ts';

export const dockerServerCertificateOwner = ownerCheck({
  id: 'file.docker-server-certificate-owner',
  title: "The server certificate of Docker's TCP port belongs to root",
  severity: 'medium',
  role: 'dockerServerCertificate',
  rationale:
    'Who owns the certificate can exchange it, which cuts clients off or, together with a key, leads them to another server.',
  remediation: 'chown root:root on the file that --tlscert names.',
});
