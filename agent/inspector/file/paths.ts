import type { DockerFact } from '../../../posture/fact/docker.ts';
import type { FileRole } from '../../../posture/fact/file.ts';
import type { SshdFact } from '../../../posture/fact/sshd.ts';
import { configuredTexts } from '../docker/configured-texts.ts';
import { socketPath } from '../runtime-reply.ts';
import { unitValues } from '../systemd/unit-file.ts';
import type { UnitSetting } from '../systemd/unit-file.ts';

/** A path that plays a role. `alternatives`: where it may be instead; the first that exists counts. */
export interface RolePath {
  readonly role: FileRole;
  readonly path: string;
  readonly alternatives?: readonly string[];
  /** null: the configuration that names it could not be read. */
  readonly expectedGroup?: string | null;
  readonly expectedMode?: number;
  /** Left out where it does not exist: a default that nobody named. */
  readonly isOptional?: boolean;
  /** Not a file but a place whose files are not all known, and why: it is never judged, only reported. */
  readonly unread?: string;
}

const DEFAULT_CONFIG_DIRECTORY = '/etc/docker';

/** The files of Docker whose places are fixed or follow from its settings. Units and registries are found by looking. */
export function dockerPaths(docker: DockerFact, home: string, socketUnit: readonly UnitSetting[]): readonly RolePath[] {
  const config = docker.file.state === 'seen' ? docker.file.value.path : docker.file.source;
  const executable = docker.process.state === 'seen' ? docker.process.value.executable : '';
  return [
    { role: 'daemonJson', path: config },
    { role: 'dockerConfigDirectory', path: parentOf(config) },
    { role: 'defaultDocker', path: '/etc/default/docker' },
    { role: 'sysconfigDocker', path: '/etc/sysconfig/docker' },
    ...socketPaths(docker, socketUnit),
    ...tlsPaths(docker, home),
    // The kernel marks a program that was replaced while it runs.
    ...binaryPath('dockerdBinary', executable.replace(/ \(deleted\)$/, ''), 'dockerd'),
    ...binaryPath('containerdBinary', '', 'containerd'),
    ...binaryPath('runcBinary', '', 'runc'),
    { role: 'containerdConfig', path: '/etc/containerd/config.toml' },
    ...containerdSockets(docker),
  ];
}

/** The directory below which registries have their certificates, docs.docker.com/engine/security/certificates. */
export function registryDirectory(docker: DockerFact): string {
  const config = docker.file.state === 'seen' ? docker.file.value.path : docker.file.source;
  // A rootless dockerd has them beside its configuration.
  return docker.process.state === 'seen' && docker.process.value.uid !== 0
    ? `${parentOf(config)}/certs.d`
    : `${DEFAULT_CONFIG_DIRECTORY}/certs.d`;
}

/** The files of the SSH server. Its own defaults for host keys count only where they exist. */
export function sshPaths(sshd: SshdFact): readonly RolePath[] {
  if (sshd.present.state === 'absent') return [];
  const contexts = sshd.contexts.state === 'seen' ? sshd.contexts.value : [];
  const hostKey = contexts[0]?.settings['hostkey'];
  const keys = hostKey?.values ?? ['rsa', 'ecdsa', 'ed25519'].map((type) => `/etc/ssh/ssh_host_${type}_key`);
  const configs = sshd.files.length === 0 ? [sshd.contexts.source.replace(/:\d+$/, '')] : sshd.files;
  return [
    ...configs.map((path): RolePath => ({ role: 'sshdConfig', path })),
    ...keys.map((path): RolePath => ({
      role: 'sshHostKey',
      path,
      isOptional: hostKey === undefined || hostKey.source === 'default',
    })),
  ];
}

/**
 * The endpoint that was asked, and each unix socket that dockerd is configured to listen on. Where its command line or
 * its file could not be read and the other names no sockets, there may be more.
 */
function socketPaths(docker: DockerFact, socketUnit: readonly UnitSetting[]): readonly RolePath[] {
  const hosts = configuredTexts(docker, 'host', 'hosts');
  const isActivated = hosts.some((host) => host.startsWith('fd://'));
  const streams = isActivated
    ? unitValues(socketUnit, 'Socket', 'ListenStream').filter((stream) => stream.startsWith('/'))
    : [];
  const paths = [socketPath(docker.endpoint), ...hosts.map(socketPath), ...streams];
  // For a socket that systemd made, dockerd itself does not set the group.
  const activatedGroup = isActivated ? (unitValues(socketUnit, 'Socket', 'SocketGroup').at(-1) ?? 'root') : undefined;
  const unread = [docker.process, docker.file].find((part) => part.state === 'unreadable');
  const group = configuredTexts(docker, 'group').at(-1) ?? (unread ? null : (activatedGroup ?? 'docker'));
  const isRootless = docker.process.state === 'seen' && docker.process.value.uid !== 0;
  const role = 'dockerSocket';
  const known = paths
    .filter((path) => path !== undefined)
    .map((path): RolePath => ({ role, path, expectedGroup: isRootless ? '' : group }));
  if (unread?.state !== 'unreadable' || hosts.length > 0) return known;
  const reason = `dockerd may listen on further sockets: ${unread.source}: ${unread.reason}`;
  return [...known, { role, path: docker.file.source, unread: reason }];
}

/**
 * The TLS files of the API port. Naming `tlsverify` switches TLS on, whatever its value; DOCKER_TLS_VERIFY does too.
 * Defaults are ca.pem, cert.pem and key.pem in DOCKER_CERT_PATH, else in DOCKER_CONFIG, else in `~/.docker`.
 */
function tlsPaths(docker: DockerFact, home: string): readonly RolePath[] {
  const environment = docker.process.state === 'seen' ? docker.process.value.environment : {};
  const isOn = (name: string): boolean =>
    configuredTexts(docker, name).some((value) => value !== 'false' && value !== '0');
  const verifies = configuredTexts(docker, 'tlsverify').length > 0 || (environment['DOCKER_TLS_VERIFY'] ?? '') !== '';
  const usesTls = verifies || isOn('tls');
  const directory = environment['DOCKER_CERT_PATH'] ?? environment['DOCKER_CONFIG'] ?? `${home}/.docker`;
  const roles: readonly (readonly [FileRole, string, string])[] = [
    ['dockerCaCertificate', 'tlscacert', 'ca.pem'],
    ['dockerServerCertificate', 'tlscert', 'cert.pem'],
    ['dockerServerKey', 'tlskey', 'key.pem'],
  ];
  return roles.flatMap(([role, flag, name]): readonly RolePath[] => {
    const told = configuredTexts(docker, flag).at(-1);
    if (told?.startsWith('/') === true) return [{ role, path: told }];
    if (!usesTls || !directory.startsWith('/')) return [];
    // Without verification a CA that is not there is not used.
    return [{ role, path: `${directory}/${name}`, isOptional: role === 'dockerCaCertificate' && !verifies }];
  });
}

function binaryPath(role: FileRole, known: string, name: string): readonly RolePath[] {
  if (known.startsWith('/')) return [{ role, path: known }];
  const [first = '', ...alternatives] = ['/usr/bin', '/usr/sbin', '/usr/local/bin', '/usr/local/sbin'].map(
    (directory) => `${directory}/${name}`,
  );
  return [{ role, path: first, alternatives, isOptional: true }];
}

/** The socket that dockerd was given, else the usual ones: of the system, of a containerd that dockerd started, of k3s. */
function containerdSockets(docker: DockerFact): readonly RolePath[] {
  const told = configuredTexts(docker, 'containerd').at(-1);
  const role = 'containerdSocket';
  if (told?.startsWith('/') === true) return [{ role, path: told }];
  const execRoot = configuredTexts(docker, 'exec-root').at(-1) ?? '/var/run/docker';
  return [
    `${execRoot}/containerd/containerd.sock`,
    '/run/containerd/containerd.sock',
    '/run/k3s/containerd/containerd.sock',
  ].map((path) => ({ role, path, isOptional: true }));
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}
