import { address, addressOrOff, configMapOrOff, hostNames, identifier, namespaces, path, pathOr } from './kind.ts';
import { inDataDir } from './setting.ts';
import type { Program, SettingDefinition } from './setting.ts';

const ADMISSION = ['admission'] as const satisfies readonly Program[];
const ENFORCERS = ['admission', 'authz'] as const satisfies readonly Program[];

/** Settings of the admission webhook. */
export const ADMISSION_SETTINGS = {
  'admission-listen': {
    kind: address(),
    default: '0.0.0.0:8443',
    description: 'Address on which the admission webhook accepts requests of the Kubernetes API server (HTTPS).',
    programs: ADMISSION,
  },
  'admission-policies': {
    kind: pathOr('none'),
    default: 'none',
    description:
      'Policy file, or directory with policy files, that the admission webhook decides by; no image has a verdict then. It is read again when it changes; a wrong file leaves the earlier policies in use. `none`: policies and verdicts come from `policy-snapshot`.',
    programs: ADMISSION,
  },
  'policy-snapshot-collector': {
    kind: addressOrOff(),
    default: 'off',
    description:
      'Operator API (HTTPS) of the collector from which the admission webhook, and `plimsoll authz fetch`, fetch the snapshot into `policy-snapshot`; `off`: something else puts it there.',
    programs: ENFORCERS,
  },
  'policy-snapshot-token-file': {
    kind: path(),
    default: '/etc/plimsoll/snapshot-token',
    description:
      'File with an operator token of the scope `policy` for that API: of the role `viewer`, or of the role `operator` where the webhook asks for scans (`unscannedImages: scan`).',
    programs: ENFORCERS,
  },
  'policy-snapshot-ca': {
    kind: pathOr('system'),
    default: 'system',
    description:
      'Authorities in PEM that may have signed the certificate of that API; `system`: those that this machine trusts.',
    programs: ENFORCERS,
  },
  'policy-snapshot-peers': {
    kind: addressOrOff(),
    default: 'off',
    description:
      'Service of the admission webhook itself, such as `plimsoll-admission.plimsoll.svc:443`. A replica that has no snapshot fetches that of another replica from it while the collector does not answer, with the same token; `off`: it waits for the collector.',
    programs: ADMISSION,
  },
  'admission-exempt-namespaces': {
    kind: namespaces(),
    default: 'plimsoll',
    description:
      'Namespaces whose pods are not judged, separated by commas; among them must be that of the webhook itself, which otherwise could not start again.',
    programs: ADMISSION,
  },
  'admission-tls-secret': {
    kind: configMapOrOff('Secret', 'plimsoll/plimsoll-admission-tls'),
    default: 'off',
    description:
      'Secret, as `namespace/name`, in which the admission webhook keeps an authority of its own for its certificates, and replaces it in time. It must exist; needs `kubernetes`. `off`: the certificate is in `admission-tls-cert`.',
    programs: ADMISSION,
  },
  'admission-tls-names': {
    kind: hostNames(),
    default: 'plimsoll-admission.plimsoll.svc',
    description: 'Names in that certificate: the API server calls the webhook as `SERVICE.NAMESPACE.svc`.',
    programs: ADMISSION,
  },
  'admission-configuration': {
    kind: identifier(),
    default: 'plimsoll-admission',
    description:
      'Name of the ValidatingWebhookConfiguration and the MutatingWebhookConfiguration that get that authority as `caBundle`.',
    programs: ADMISSION,
  },
  'admission-tls-cert': {
    kind: path(),
    default: inDataDir('tls/admission.pem'),
    description: 'Certificate of the admission webhook in PEM. It is read again when it changes.',
    programs: ADMISSION,
  },
  'admission-tls-key': {
    kind: path(),
    default: inDataDir('tls/admission-key.pem'),
    description: 'Private key of that certificate. A file that others can read is refused.',
    programs: ADMISSION,
  },
  'admission-client-ca': {
    kind: pathOr('none'),
    default: 'none',
    description:
      'Authorities in PEM that must have signed the certificate of the API server as a client; `none`: clients need no certificate.',
    programs: ADMISSION,
  },
} satisfies Record<string, SettingDefinition<unknown>>;
