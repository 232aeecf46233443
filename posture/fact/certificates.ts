import { observed } from '../observed.ts';
import * as s from '../schema.ts';

/** A certificate in a file of the node. */
export const certificateSchema = s.object(
  {
    path: s.string('file that contains it', 4096),
    subject: s.string('distinguished name of the subject', 1024),
    organizations: s.list(s.string('organization of the subject: groups, where Kubernetes reads it', 256), '', 16),
    notBeforeMs: s.integer('start of validity, milliseconds since 1970'),
    notAfterMs: s.integer('end of validity, milliseconds since 1970'),
    keyType: s.string('rsa, ec, ed25519 …', 32),
    keyBits: s.integer('size of the key in bits; 0 for types of one size'),
    signature: s.string('algorithm of the signature; empty: not known', 64),
    selfSigned: s.boolean('true if the certificate is signed by its own key'),
    kubeconfig: s.boolean('true if a kubeconfig contains it as the certificate of its user'),
  },
  'a certificate in a file of the node',
);
/** See {@link certificateSchema}. */
export type CertificateFact = s.Infer<typeof certificateSchema>;

/** Certificates and keys of Kubernetes, etcd, Docker and containerd on the node. No private key is kept. */
export const certificatesSchema = s.object(
  {
    found: observed(s.list(certificateSchema, '', 512), 'certificates; absent: none of the places exists'),
    unread: s.list(
      s.object({ path: s.string('file or directory', 4096), reason: s.string('why it was not read', 1024) }),
      'places whose certificates are not known',
      64,
    ),
    authorityKeys: observed(
      s.list(s.string('file', 4096), '', 32),
      'private keys with which certificates of the cluster can be made',
    ),
    homeCredentials: observed(
      s.list(s.string('file', 4096), '', 32),
      'kubeconfigs in home directories whose certificate is of the group system:masters',
    ),
    bootstrapTokens: observed(s.list(s.string('file', 4096), '', 8), 'kubeconfigs with a bootstrap token'),
    controlPlane: observed(s.boolean(), 'true if the node is configured to run an API server'),
  },
  'certificates on the node',
);
/** See {@link certificatesSchema}. */
export type CertificatesFact = s.Infer<typeof certificatesSchema>;
