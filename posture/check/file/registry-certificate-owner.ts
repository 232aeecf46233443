import { ownerCheck } from './mode-and-owner.ts';

export const registryCertificateOwner = ownerCheck({
  id: 'file.registry-certificate-owner',
  title: 'Certificates and keys for registries belong to root',
  severity: 'medium',
  role: 'dockerRegistryCertificate',
  rationale:
    'A CA file in certs.d decides which registry dockerd believes. Its owner can put a false registry in the place of the true one.',
  remediation: 'chown root:root on every file below /etc/docker/certs.d.',
});
