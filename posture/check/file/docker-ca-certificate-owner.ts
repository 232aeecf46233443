import { ownerCheck } from './mode-and-owner.ts';

export const dockerCaCertificateOwner = ownerCheck({
  id: 'file.docker-ca-certificate-owner',
  title: "The CA certificate of Docker's TCP port belongs to root",
  severity: 'medium',
  role: 'dockerCaCertificate',
  rationale:
    'This CA decides which clients may command dockerd over TCP. Its owner can add a CA of his own and sign himself a client certificate.',
  remediation: 'chown root:root on the file that --tlscacert names.',
});
