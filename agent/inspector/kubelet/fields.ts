/** The type of a field of KubeletConfiguration. A map has text or boolean values. */
export type FieldType = 'boolean' | 'integer' | 'duration' | 'text' | 'list' | 'map';

/** A field of KubeletConfiguration that checks read. */
export interface Field {
  /** Path in the file: `authentication.anonymous.enabled`. */
  readonly path: string;
  readonly type: FieldType;
  readonly flag?: string;
  /** Without a value, where the kubelet reads a file (`--config`): the defaults of v1beta1. */
  readonly preset: string;
  /** Without a value, where it reads none: the older defaults of the command line, where they differ. */
  readonly legacyPreset?: string;
  /** A zero value in the file counts as no value: the type of the field cannot tell them apart. */
  readonly zeroIsUnset?: true;
}

/** Thresholds that the kubelet uses on Linux where none are set. */
const DEFAULT_EVICTION = 'imagefs.available=15%,memory.available=100Mi,nodefs.available=10%,nodefs.inodesFree=5%';

/**
 * The fields, with the defaults of `SetDefaults_KubeletConfiguration` and `applyLegacyDefaults` of the kubelet. The
 * default of eventRecordQPS depends on the version, and is not here.
 */
export const FIELDS: readonly Field[] = Object.freeze([
  {
    path: 'authentication.anonymous.enabled',
    type: 'boolean',
    flag: 'anonymous-auth',
    preset: 'false',
    legacyPreset: 'true',
  },
  {
    path: 'authentication.webhook.enabled',
    type: 'boolean',
    flag: 'authentication-token-webhook',
    preset: 'true',
    legacyPreset: 'false',
  },
  { path: 'authentication.x509.clientCAFile', type: 'text', flag: 'client-ca-file', preset: '' },
  {
    path: 'authorization.mode',
    type: 'text',
    flag: 'authorization-mode',
    preset: 'Webhook',
    legacyPreset: 'AlwaysAllow',
    zeroIsUnset: true,
  },
  { path: 'eventRecordQPS', type: 'integer', flag: 'event-qps', preset: '' },
  { path: 'evictionHard', type: 'map', flag: 'eviction-hard', preset: DEFAULT_EVICTION },
  { path: 'featureGates', type: 'map', flag: 'feature-gates', preset: '' },
  { path: 'imageGCHighThresholdPercent', type: 'integer', flag: 'image-gc-high-threshold', preset: '85' },
  { path: 'imageGCLowThresholdPercent', type: 'integer', flag: 'image-gc-low-threshold', preset: '80' },
  {
    path: 'imageMinimumGCAge',
    type: 'duration',
    flag: 'minimum-image-ttl-duration',
    preset: '2m0s',
    zeroIsUnset: true,
  },
  { path: 'makeIPTablesUtilChains', type: 'boolean', flag: 'make-iptables-util-chains', preset: 'true' },
  { path: 'podPidsLimit', type: 'integer', flag: 'pod-max-pids', preset: '-1' },
  { path: 'port', type: 'integer', flag: 'port', preset: '10250', zeroIsUnset: true },
  { path: 'protectKernelDefaults', type: 'boolean', flag: 'protect-kernel-defaults', preset: 'false' },
  { path: 'readOnlyPort', type: 'integer', flag: 'read-only-port', preset: '0', legacyPreset: '10255' },
  { path: 'rotateCertificates', type: 'boolean', flag: 'rotate-certificates', preset: 'false' },
  { path: 'seccompDefault', type: 'boolean', flag: 'seccomp-default', preset: 'false' },
  { path: 'serverTLSBootstrap', type: 'boolean', flag: 'rotate-server-certificates', preset: 'false' },
  {
    path: 'streamingConnectionIdleTimeout',
    type: 'duration',
    flag: 'streaming-connection-idle-timeout',
    preset: '4h0m0s',
    zeroIsUnset: true,
  },
  { path: 'tlsCertFile', type: 'text', flag: 'tls-cert-file', preset: '' },
  { path: 'tlsCipherSuites', type: 'list', flag: 'tls-cipher-suites', preset: '' },
  { path: 'tlsMinVersion', type: 'text', flag: 'tls-min-version', preset: '' },
  { path: 'tlsPrivateKeyFile', type: 'text', flag: 'tls-private-key-file', preset: '' },
] satisfies readonly Field[]);

/** Flags that have no field in the file. */
export const FLAGS_WITHOUT_FIELD: Readonly<Record<string, string>> = Object.freeze({
  'bootstrap-kubeconfig': '',
  'cert-dir': '/var/lib/kubelet/pki',
  config: '',
  'config-dir': '',
  'hostname-override': '',
  kubeconfig: '',
});
