import {
  dockerEndpoints,
  duration,
  integer,
  isLocalEndpoint,
  path,
  pathOr,
  runtimeEndpoints,
  size,
  word,
} from './kind.ts';
import type { BorrowedVariable, Program, SettingDefinition } from './setting.ts';

const NODE = ['agent', 'broker', 'up', 'scan'] as const satisfies readonly Program[];
const WATCHERS = ['agent', 'broker', 'up'] as const satisfies readonly Program[];
const AGENT = ['agent', 'up'] as const satisfies readonly Program[];

/** Settings of how a node is read and watched: container engines, intervals and budgets of the agent. */
export const NODE_SETTINGS = {
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
  'image-inventory': {
    kind: word('on', 'running', 'off'),
    default: 'on',
    description:
      'Whether the packages of images are listed, each image once, for the collector. ' +
      '`running`: only the images of running containers, not those that are on the node and do not run. ' +
      'The files of an image are read in a thread of low priority.',
    programs: WATCHERS,
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
} satisfies Record<string, SettingDefinition<unknown>>;

/** The files that the Docker client looks for in DOCKER_CERT_PATH. */
function certPathFile(name: string): BorrowedVariable {
  return { name: 'DOCKER_CERT_PATH', translate: (value) => (value.startsWith('/') ? `${value}/${name}` : undefined) };
}
