import {
  address,
  addressOrOff,
  configMapOrOff,
  duration,
  durationOrOff,
  formatAddress,
  hostName,
  hostNames,
  identifier,
  integer,
  joinToken,
  keyHashes,
  namespaces,
  path,
  pathOr,
  serviceAccounts,
  size,
  unixSocketOrOff,
  word,
} from './kind.ts';
import type { Kind } from './kind.ts';
import { AUTHZ_SETTINGS } from './authz-settings.ts';
import { ADMISSION_SETTINGS } from './admission-settings.ts';
import { IMAGE_SETTINGS } from './image-settings.ts';
import { NODE_SETTINGS } from './node-settings.ts';
import { OIDC_SETTINGS } from './oidc-settings.ts';
import { REPORT_SETTINGS } from './report-settings.ts';
import { ROLLOUT_SETTINGS } from './rollout-settings.ts';
import { inDataDir } from './setting.ts';
import type { DefaultContext, DerivedDefault, Program, SettingDefinition } from './setting.ts';
import { SINK_SETTINGS } from './sink-settings.ts';
import { TAILORING_SETTINGS } from './tailoring-settings.ts';

const SERVERS = [
  'admission',
  'agent',
  'authz',
  'broker',
  'collector',
  'rollout',
  'up',
] as const satisfies readonly Program[];
const NODE = ['agent', 'broker', 'up', 'scan'] as const satisfies readonly Program[];
const COLLECTOR = ['collector', 'up'] as const satisfies readonly Program[];

/**
 * Every setting of the program, in display order. docs/configuration.md, the flags of each command, the keys of the
 * configuration file and the environment variables are derived from this table.
 */
export const SETTINGS = Object.freeze({
  'data-dir': {
    kind: path(),
    default: {
      from: defaultDataDir,
      text: '`/var/lib/plimsoll` for root, otherwise `$XDG_STATE_HOME/plimsoll` or `~/.local/state/plimsoll`',
    },
    description: 'Data directory: keys, certificates, the operator token, the store and the spool.',
    programs: ['admission', 'agent', 'authz', 'collector', 'rollout', 'up', 'scan', 'client', 'image'],
  },
  listen: {
    kind: address(),
    default: '127.0.0.1:7443',
    description:
      'Address on which the collector accepts connections of nodes (gRPC, TLS 1.3 with client certificates).',
    programs: COLLECTOR,
  },
  api: {
    kind: address(),
    default: '127.0.0.1:7480',
    description: 'Address of the operator API. The collector listens on it; client commands connect to it.',
    programs: ['collector', 'rollout', 'up', 'client'],
  },
  'api-tls': {
    kind: word('auto', 'on', 'off'),
    default: 'auto',
    description:
      'TLS for the operator API. `auto`: unless `api` is an address of the loopback interface; `off` is refused for any other address.',
    programs: ['collector', 'rollout', 'up', 'client'],
  },
  'api-tls-cert': {
    kind: pathOr('own'),
    default: 'own',
    description:
      'Certificate of the operator API: its chain in PEM, its own first; `own`: that of the port for nodes, signed by the CA of the fleet. It is read again when it changes.',
    programs: COLLECTOR,
  },
  'api-tls-key': {
    kind: pathOr('own'),
    default: 'own',
    description: 'Private key of that certificate. A file that others can read is refused.',
    programs: COLLECTOR,
  },
  'api-tls-ca': {
    kind: pathOr('auto', 'system'),
    default: 'auto',
    description:
      'PEM file of certificate authorities. The client accepts a certificate of the operator API that one of them signed. `auto`: `<data-dir>/tls/ca.pem` if that file exists, otherwise `system`: the authorities that this machine trusts.',
    programs: ['rollout', 'up', 'client'],
  },
  ...OIDC_SETTINGS,
  'token-file': {
    kind: path(),
    default: inDataDir('operator-token'),
    description:
      'File with the bearer token of the operator API. The first start of a collector creates it, readable by its owner only.',
    programs: ['collector', 'rollout', 'up', 'client'],
  },
  collector: {
    kind: address(),
    default: '127.0.0.1:7443',
    description: 'Address of the collector that the agent connects to.',
    programs: ['agent'],
  },
  enroll: {
    kind: addressOrOff(),
    default: 'off',
    description:
      'Address on which the collector enrols new nodes (HTTPS) and renews their certificates, such as `0.0.0.0:7444`; `off`: no further nodes can join.',
    programs: COLLECTOR,
  },
  kubernetes: {
    kind: pathOr('in-cluster', 'off'),
    default: 'off',
    description:
      'Kubernetes API server that attests nodes, through which the admission webhook keeps its certificate, and whose workloads `plimsoll rollout` changes: `in-cluster` with the service account of the own pod, a kubeconfig file with a token or a client certificate, or `off`.',
    programs: ['admission', 'rollout', ...COLLECTOR],
  },
  'kubernetes-api': {
    kind: address(),
    default: 'kubernetes.default.svc:443',
    description: 'Address of the API server for `kubernetes = in-cluster`.',
    programs: ['admission', 'rollout', ...COLLECTOR],
    // In a pod the kubelet sets it to the address of the service `kubernetes`, whose port is 443.
    borrowed: {
      name: 'KUBERNETES_SERVICE_HOST',
      translate: (host) => (/^[A-Za-z0-9.:-]{1,253}$/.test(host) ? formatAddress({ host, port: 443 }) : undefined),
    },
  },
  'kubernetes-audience': {
    kind: identifier(),
    default: 'plimsoll-collector',
    description: 'Audience that the service-account token of an agent must have.',
    programs: COLLECTOR,
  },
  'kubernetes-service-accounts': {
    kind: serviceAccounts(),
    default: 'plimsoll/plimsoll-agent',
    description: 'Service accounts of agents, `namespace/name`. Tokens of others are refused.',
    programs: COLLECTOR,
  },
  'cluster-id': {
    kind: identifier(''),
    default: { from: () => '', text: 'the uid of the namespace `kube-system`' },
    description: 'Identifier of the Kubernetes cluster in the certificates of its nodes.',
    programs: COLLECTOR,
  },
  'kubernetes-ca-config-map': {
    kind: configMapOrOff(),
    default: 'off',
    description:
      'ConfigMap, as `namespace/name`, in which the collector keeps the CA of the fleet under the key `ca.crt`, for `join-ca-file` of agents in pods. It must exist. `off`: none.',
    programs: COLLECTOR,
  },
  'kubernetes-policy-reports': {
    kind: word('off', 'wgpolicyk8s.io', 'openreports.io'),
    default: 'off',
    description:
      'Open findings as objects of the cluster, with `kubernetes`: `PolicyReport` and `ClusterPolicyReport` of `wgpolicyk8s.io/v1alpha2`, or `Report` and `ClusterReport` of `openreports.io/v1alpha1`. [Policy reports](kubernetes.md#policy-reports)',
    programs: COLLECTOR,
  },
  'kubernetes-admission': {
    kind: word('auto', 'off'),
    default: 'auto',
    description:
      'Watch of the admission webhook of the cluster, with `kubernetes`. `auto`: from when its webhook configuration (`admission-configuration` of the webhook: `plimsoll-admission`) was seen first, a change or removal is a finding (`admission.webhook`), and so is a namespace that it leaves out (`admission.exempt-namespace`). `off`: not watched; the findings end.',
    programs: COLLECTOR,
  },
  'kubernetes-admission-exempt': {
    kind: namespaces(),
    default: 'plimsoll,plimsoll-agents,kube-system',
    description: 'Namespaces that the admission webhook may leave out, separated by commas.',
    programs: COLLECTOR,
  },
  'kubernetes-agent-grace': {
    kind: durationOrOff('5s', '1d'),
    default: '5m',
    description:
      'How long a node of the Kubernetes cluster may be without an agent before that is a finding (`agent.enrollment`). For as long, the list of nodes may be unreadable before these findings become unknown. `off`: nodes without an agent are not looked for.',
    programs: COLLECTOR,
  },
  join: {
    kind: addressOrOff(),
    default: 'off',
    description:
      'Enrolment address of the collector (its setting `enroll`). The agent gets its certificate there, and renews it there every day.',
    programs: ['agent'],
  },
  'join-method': {
    kind: word('token', 'kubernetes'),
    default: 'token',
    description:
      'How the agent proves which node it runs on: `token` with a join token, once; `kubernetes` with the service-account token of its pod, at each start and each renewal.',
    programs: ['agent'],
  },
  'kubernetes-token-file': {
    kind: path(),
    default: '/var/run/secrets/plimsoll/token',
    description:
      'Projected service-account token of the pod for `join-method = kubernetes`. Its audience is the setting `kubernetes-audience` of the collector.',
    programs: ['agent'],
  },
  'join-token': {
    kind: joinToken(),
    default: '',
    description: 'Join token, used once for the first certificate. `join-token-file` keeps it out of the process list.',
    programs: ['agent'],
    secret: true,
  },
  'join-token-file': {
    kind: pathOr('off'),
    default: 'off',
    description: 'File with the join token.',
    programs: ['agent'],
  },
  'join-ca-hash': {
    kind: keyHashes(),
    default: '',
    description:
      'Hash of the public key of the CA of the fleet, printed with the join token; no other CA is accepted. While the CA is rotated, two hashes separated by a comma.',
    programs: ['agent'],
  },
  'join-ca-file': {
    kind: pathOr('off'),
    default: 'off',
    description:
      'Certificates of the CA of the fleet in PEM, such as from a ConfigMap, in place of `join-ca-hash`. Read again for each enrolment.',
    programs: ['agent'],
  },
  health: {
    kind: addressOrOff(),
    default: 'off',
    description:
      'Address that answers probes over HTTP, such as `0.0.0.0:7481`: `/livez` while the process responds, `/readyz` once a collector accepts nodes, the findings of an agent are at its collector, an admission webhook has policies, or rollouts have theirs; before that 503 and what is missing. It shows nothing else.',
    programs: ['admission', 'agent', 'collector', 'rollout'],
  },
  broker: {
    kind: unixSocketOrOff(),
    default: 'off',
    description:
      'Socket of a broker that reads the node, such as `unix:///run/plimsoll/broker.sock`: the agent then needs no privileges, and does not open the node itself. `off`: the agent reads the node.',
    programs: ['agent'],
  },
  socket: {
    kind: path(),
    default: '/run/plimsoll/broker.sock',
    description:
      'Unix socket on which the broker accepts the agent. The group of the broker process can connect. Other users must not be able to write to its directory.',
    programs: ['broker'],
  },
  'node-address': {
    kind: hostName(),
    default: { from: () => '', text: 'none' },
    description:
      'Address of this node that an agent in a pod can reach: ports of the Docker API are probed there. Not needed in the network namespace of the node.',
    programs: ['agent'],
  },
  'node-name': {
    kind: hostName(),
    default: { from: () => '', text: 'the host name' },
    description: 'Display name of this node. Its identity is the id in its certificate.',
    programs: NODE,
  },
  'tls-ca': {
    kind: path(),
    default: inDataDir('tls/ca.pem'),
    description: 'CA certificate of the fleet. Agent and collector accept only certificates that this CA signed.',
    programs: ['agent', 'collector'],
  },
  'tls-cert': {
    kind: path(),
    default: ownTlsFile('.pem'),
    description: 'Own certificate of the agent or collector: the chain in PEM, its own certificate first.',
    programs: ['agent', 'collector'],
  },
  'tls-key': {
    kind: path(),
    default: ownTlsFile('-key.pem'),
    description: 'Private key of that certificate. A file that other users can read is refused.',
    programs: ['agent', 'collector'],
  },
  'tls-names': {
    kind: hostNames(),
    default: '',
    description:
      'Additional names and addresses in the certificate that the collector issues to itself. ' +
      'It always contains localhost, the loopback addresses, the host name and the address of `listen`.',
    programs: COLLECTOR,
  },
  ...NODE_SETTINGS,
  ...TAILORING_SETTINGS,
  ...SINK_SETTINGS,
  ...AUTHZ_SETTINGS,
  ...REPORT_SETTINGS,
  ...ADMISSION_SETTINGS,
  ...ROLLOUT_SETTINGS,
  'audit-max-bytes': {
    kind: size('1MiB', '64GiB'),
    default: '16MiB',
    description: 'Size at which the audit log of the operator API (`<data-dir>/audit.ndjson`) is rotated.',
    programs: COLLECTOR,
  },
  'audit-keep': {
    kind: integer(1, 1000),
    default: '15',
    description: 'How many rotated files of the audit log are kept.',
    programs: COLLECTOR,
  },
  'history-retention': {
    kind: duration('1h', '3650d'),
    default: '90d',
    description: 'How long the history of findings (opened, changed, resolved) is kept.',
    programs: COLLECTOR,
  },
  'node-retention': {
    kind: durationOrOff('1h', '3650d'),
    default: 'off',
    description:
      'Time without contact after which a node and its findings are removed, as by `plimsoll nodes remove`; `off`: never.',
    programs: COLLECTOR,
  },
  'agent-silent-after': {
    kind: durationOrOff('1m', '30d'),
    default: '5m',
    description: 'Time without a sign of an agent after which its silence is a detection; `off`: never.',
    programs: COLLECTOR,
  },
  'query-max-rows': {
    kind: integer(1, 100_000),
    default: '1000',
    description:
      'Maximum number of rows that a live query gets from one node. A longer answer is truncated and marked.',
    programs: COLLECTOR,
  },
  'query-max-bytes': {
    kind: size('1KiB', '64MiB'),
    default: '4MiB',
    description:
      'Maximum number of bytes that a live query gets from one node. A longer answer is truncated and marked.',
    programs: COLLECTOR,
  },
  'query-deadline': {
    kind: duration('100ms', '5m'),
    default: '10s',
    description: 'Maximum time that a live query waits for a node.',
    programs: COLLECTOR,
  },
  ...IMAGE_SETTINGS,
  'log-level': {
    kind: word('debug', 'info', 'warn', 'error', 'silent'),
    default: 'info',
    description: 'Lowest level that is logged. Logs go to standard error.',
    programs: SERVERS,
  },
  'log-format': {
    kind: word('json', 'text'),
    default: 'json',
    description: 'Format of log lines.',
    programs: SERVERS,
  },
  color: {
    kind: word('auto', 'always', 'never'),
    default: 'auto',
    description: 'Colours in the output; `auto`: only on a terminal.',
    programs: ['up', 'scan', 'client', 'image'],
    borrowed: { name: 'NO_COLOR', translate: () => 'never' },
  },
} satisfies Record<string, SettingDefinition<unknown>>);

/** The name of a setting. */
export type SettingName = keyof typeof SETTINGS;

/** All names, in the order of the table. */
export const SETTING_NAMES = Object.freeze(Object.keys(SETTINGS)) as readonly SettingName[];

/** The values of all settings, by name in camelCase: `settings.dataDir`. Sizes in bytes, durations in milliseconds. */
export type Settings = { readonly [N in SettingName as Camel<N>]: ValueOf<N> };

type ValueOf<N extends SettingName> = (typeof SETTINGS)[N]['kind'] extends Kind<infer T> ? T : never;
type Camel<N extends string> = N extends `${infer Head}-${infer Tail}` ? `${Head}${Capitalize<Camel<Tail>>}` : N;

function defaultDataDir({ uid, home, stateHome }: DefaultContext): string {
  if (uid === 0) return '/var/lib/plimsoll';
  // XDG Base Directory Specification: a relative path must be ignored.
  return stateHome.startsWith('/') ? `${stateHome}/plimsoll` : `${home}/.local/state/plimsoll`;
}

/** Agent and collector of one machine can share a data directory, and have different certificates in it. */
function ownTlsFile(suffix: string): DerivedDefault {
  const from = ({ dataDir, programs }: DefaultContext): string =>
    `${dataDir}/tls/${programs.includes('collector') ? 'collector' : 'agent'}${suffix}`;
  return { from, text: `\`<data-dir>/tls/agent${suffix}\` or \`…/collector${suffix}\`` };
}
