import {
  address,
  addressOrOff,
  configMapOrOff,
  dockerEndpoints,
  duration,
  formatAddress,
  durationOrOff,
  hostName,
  hostNames,
  httpsUrlOrOff,
  identifier,
  integer,
  isLocalEndpoint,
  joinToken,
  keyHashes,
  path,
  pathOr,
  runtimeEndpoints,
  serviceAccounts,
  roleMappings,
  size,
  syslogReceiver,
  text,
  unixSocketOrOff,
  word,
} from './kind.ts';
import type { Kind } from './kind.ts';
import type { BorrowedVariable, DefaultContext, DerivedDefault, Program, SettingDefinition } from './setting.ts';

const SERVERS = ['agent', 'broker', 'collector', 'up'] as const satisfies readonly Program[];
const NODE = ['agent', 'broker', 'up', 'scan'] as const satisfies readonly Program[];
const COLLECTOR = ['collector', 'up'] as const satisfies readonly Program[];
const AGENT = ['agent', 'up'] as const satisfies readonly Program[];
const WATCHERS = ['agent', 'broker', 'up'] as const satisfies readonly Program[];

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
    programs: ['agent', 'collector', 'up', 'scan', 'client'],
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
    programs: ['collector', 'up', 'client'],
  },
  'api-tls': {
    kind: word('auto', 'on', 'off'),
    default: 'auto',
    description:
      'TLS for the operator API. `auto`: unless `api` is an address of the loopback interface; `off` is refused for any other address.',
    programs: ['collector', 'up', 'client'],
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
    programs: ['up', 'client'],
  },
  'oidc-issuer': {
    kind: httpsUrlOrOff(),
    default: 'off',
    description:
      'Issuer (OpenID Connect) whose tokens the operator API accepts as bearer tokens, exactly as in their claim `iss`; `off`: operator tokens only.',
    programs: COLLECTOR,
  },
  'oidc-audience': {
    kind: text(512),
    default: '',
    description: 'What the claim `aud` of these tokens must contain; often the client id. Needed with `oidc-issuer`.',
    programs: COLLECTOR,
  },
  'oidc-groups-claim': {
    kind: text(256),
    default: 'groups',
    description: 'Claim with the groups of a caller; dots name a member of an object, as in `realm_access.roles`.',
    programs: COLLECTOR,
  },
  'oidc-roles': {
    kind: roleMappings('viewer', 'operator', 'admin'),
    default: '',
    description:
      'Roles by group: `admin:platform,operator:sre,viewer:*`. The strongest role of the groups of a caller counts; `*` is everybody with a valid token. Needed with `oidc-issuer`.',
    programs: COLLECTOR,
  },
  'oidc-ca': {
    kind: pathOr('system'),
    default: 'system',
    description:
      'Authorities in PEM that may have signed the certificate of the issuer; `system`: those that this machine trusts.',
    programs: COLLECTOR,
  },
  'token-file': {
    kind: path(),
    default: inDataDir('operator-token'),
    description:
      'File with the bearer token of the operator API. The first start of a collector creates it, readable by its owner only.',
    programs: ['collector', 'up', 'client'],
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
      'Kubernetes API server that attests nodes: `in-cluster` with the service account of the pod of the collector, a kubeconfig file with a token or a client certificate, or `off`.',
    programs: COLLECTOR,
  },
  'kubernetes-api': {
    kind: address(),
    default: 'kubernetes.default.svc:443',
    description: 'Address of the API server for `kubernetes = in-cluster`.',
    programs: COLLECTOR,
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
      'Address that answers probes over HTTP, such as `0.0.0.0:7481`: `/livez` while the process responds, `/readyz` once a collector accepts nodes or the findings of an agent are at its collector. It shows nothing else.',
    programs: ['agent', 'collector'],
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
  'host-root': {
    kind: path(),
    default: '/',
    description: 'Path of the root directory of the node, such as `/host` in a container that mounts it there.',
    programs: NODE,
  },
  'docker-host': {
    kind: dockerEndpoints(),
    default: {
      from: () => '',
      text: 'the socket of the running dockerd, otherwise `unix:///var/run/docker.sock`',
    },
    description:
      'Docker engines of this node: endpoints separated by commas. In a query, `docker` is the first one. ' +
      'If an engine that is named here does not answer, `scan` fails with exit status 2. ' +
      'The agent also finds and judges other dockerd processes of the node.',
    programs: NODE,
    // DOCKER_HOST with the address of another machine is meant for other programs.
    borrowed: { name: 'DOCKER_HOST', translate: (value) => (isLocalEndpoint(value) ? value : undefined) },
  },
  'runtime-endpoint': {
    kind: runtimeEndpoints(),
    default: { from: () => '', text: 'the sockets of the running runtimes' },
    description:
      'Further container runtimes of this node: sockets separated by commas. ' +
      'The agent detects the API of each socket. ' +
      'If a runtime that is named here does not answer, `scan` fails with exit status 2.',
    programs: NODE,
  },
  'rootless-engines': {
    kind: word('ask', 'no'),
    default: 'ask',
    description:
      'Whether the Docker and Podman engines of users (`/run/user/UID`) are asked about their containers. ' +
      'A user controls what such an engine reports, so reports count only for containers that run as that user. ' +
      '`no`: containers of users are named by `runtime.unobserved` and judged by no other check.',
    programs: NODE,
  },
  'docker-tls-ca': {
    kind: pathOr('off'),
    default: 'off',
    description:
      'Certificate of the authority that signed the certificates of Docker engines on TCP (`ca.pem`). ' +
      'With `docker-tls-cert` and `docker-tls-key`, TLS is used as by `docker --tlsverify`; `off`: plain HTTP.',
    programs: NODE,
    borrowed: certPathFile('ca.pem'),
  },
  'docker-tls-cert': {
    kind: pathOr('off'),
    default: 'off',
    description: 'Client certificate for Docker engines on TCP (`cert.pem`).',
    programs: NODE,
    borrowed: certPathFile('cert.pem'),
  },
  'docker-tls-key': {
    kind: pathOr('off'),
    default: 'off',
    description: 'Private key of that certificate (`key.pem`). A file that other users can read is refused.',
    programs: NODE,
    borrowed: certPathFile('key.pem'),
  },
  'sweep-interval': {
    kind: duration('10s', '7d'),
    default: '15m',
    description:
      'Interval of the full sweep, which finds changes that send no event. A random jitter of up to 20 % is added. With a broker, its setting takes precedence.',
    programs: WATCHERS,
  },
  'heartbeat-interval': {
    kind: duration('1s', '10m'),
    default: '30s',
    description:
      'Interval at which an agent sends the digest of its findings. The value of the collector takes precedence.',
    programs: ['agent', 'collector', 'up'],
  },
  'agent-memory-budget': {
    kind: size('1MiB', '64GiB'),
    default: '128MiB',
    description:
      'Resident memory that the agent and its broker may use continuously. Above it the agent slows down, and the check `agent.resource-budget` fails.',
    programs: AGENT,
  },
  'agent-cpu-budget': {
    kind: integer(1, 10_000),
    default: '10',
    description:
      'CPU time that the agent and its broker may use continuously, in percent of one core, averaged over a minute. Above it the agent slows down, and the check `agent.resource-budget` fails.',
    programs: AGENT,
  },
  'spool-max-bytes': {
    kind: size('1MiB', '64GiB'),
    default: '64MiB',
    description:
      'Disk space for changes that the collector has not acknowledged. Above it, changes are dropped and counted, and a full transfer restores the state.',
    programs: AGENT,
  },
  'sink-ndjson': {
    kind: pathOr('-', 'off'),
    default: inDataDir('events.ndjson'),
    description:
      'File to which the collector writes events, one OCSF event per line; `-`: standard output; `off`: none.',
    programs: COLLECTOR,
  },
  'sink-ndjson-max-bytes': {
    kind: size('1MiB', '64GiB'),
    default: '64MiB',
    description: 'Size at which the event file is rotated.',
    programs: COLLECTOR,
  },
  'sink-ndjson-keep': {
    kind: integer(0, 1000),
    default: '5',
    description: 'Number of rotated event files that are kept.',
    programs: COLLECTOR,
  },
  'sink-syslog': {
    kind: syslogReceiver(),
    default: 'off',
    description:
      'Syslog receiver of events, as RFC 5424 messages: `tls://host:port`, `tcp://host:port` (not encrypted), or `off`.',
    programs: COLLECTOR,
  },
  'sink-syslog-ca': {
    kind: pathOr('system'),
    default: 'system',
    description:
      'CA certificates in PEM for the certificate of the receiver; `system`: those that this machine trusts.',
    programs: COLLECTOR,
  },
  'sink-syslog-cert': {
    kind: pathOr('none'),
    default: 'none',
    description: 'Client certificate for the receiver: the chain in PEM, its own certificate first; or `none`.',
    programs: COLLECTOR,
  },
  'sink-syslog-key': {
    kind: pathOr('none'),
    default: 'none',
    description: 'Private key of that certificate, or `none`. A file that other users can read is refused.',
    programs: COLLECTOR,
  },
  'sink-syslog-facility': {
    kind: word(
      'user',
      'daemon',
      'auth',
      'authpriv',
      'audit',
      'local0',
      'local1',
      'local2',
      'local3',
      'local4',
      'local5',
      'local6',
      'local7',
    ),
    default: 'local0',
    description: 'Syslog facility of the messages.',
    programs: COLLECTOR,
  },
  'sink-syslog-max-bytes': {
    kind: size('2KiB', '1MiB'),
    default: '8000B',
    description:
      'Maximum size of a message, including its header. A larger event is shortened. Many receivers split messages above 8192 bytes.',
    programs: COLLECTOR,
  },
  'sink-syslog-replay': {
    kind: integer(2, 100_000),
    default: '1000',
    description:
      'Number of recent events that are sent again after a connection was lost. After every half of this number, the receiver must confirm what it has read.',
    programs: COLLECTOR,
  },
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
    programs: ['up', 'scan', 'client'],
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

function inDataDir(name: string): DerivedDefault {
  return { from: ({ dataDir }) => `${dataDir}/${name}`, text: `\`<data-dir>/${name}\`` };
}

/** The files that the Docker client looks for in DOCKER_CERT_PATH. */
function certPathFile(name: string): BorrowedVariable {
  return { name: 'DOCKER_CERT_PATH', translate: (value) => (value.startsWith('/') ? `${value}/${name}` : undefined) };
}

/** Agent and collector of one machine can share a data directory, and have different certificates in it. */
function ownTlsFile(suffix: string): DerivedDefault {
  const from = ({ dataDir, programs }: DefaultContext): string =>
    `${dataDir}/tls/${programs.includes('collector') ? 'collector' : 'agent'}${suffix}`;
  return { from, text: `\`<data-dir>/tls/agent${suffix}\` or \`…/collector${suffix}\`` };
}
