import { modeCheck } from './mode-and-owner.ts';

export const registryCertificateMode = modeCheck({
  id: 'file.registry-certificate-mode',
  title: 'Certificates for registries are read-only, their keys private',
  severity: 'medium',
  role: 'dockerRegistryCertificate',
  // certs.d names client keys `*.key`; a certificate may be read by anybody.
  allowed: ({ path }) => (path.endsWith('.key') ? 0o400 : 0o444),
  rationale:
    'Who can write a CA file here can make dockerd trust a false registry; who can read a client key here can pull and push in the name of this node.',
  remediation: 'Below /etc/docker/certs.d: chmod 0444 on certificates (*.crt, *.cert) and 0400 on keys (*.key).',
});
