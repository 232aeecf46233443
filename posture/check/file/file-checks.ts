import type { FileFact } from '../../fact/file.ts';
import type { FileCheck } from '../check.ts';
import { KUBERNETES_FILES } from './kubernetes-files.ts';
import { modeCheck, ownerCheck } from './mode-and-owner.ts';
import type { CheckedFile } from './mode-and-owner.ts';

/** Programs that run as root: the rationale and remediation are the same for each. */
function binary(role: 'containerdBinary' | 'dockerdBinary' | 'runcBinary', program: string, use: string): CheckedFile {
  return {
    role,
    id: `${program}-binary`,
    name: `${program} binary`,
    path: program,
    mode: {
      severity: 'high',
      allowed: 0o755,
      rationale: `${use}. Write access to the file is root access. A set-user-ID bit would let every account run it as root.`,
      advice: 'Verify the file against its package (dpkg --verify, rpm --verify).',
    },
    owner: {
      severity: 'high',
      rationale: `${use}. The owner of the file can replace it with another program.`,
      advice: 'Reinstall the package: an unexpected owner means that the file may have been replaced.',
    },
  };
}

/** Files from which the init system takes options of dockerd. */
function environmentFile(role: 'defaultDocker' | 'sysconfigDocker', id: string, path: string): CheckedFile {
  return {
    role,
    id,
    name: path,
    path,
    mode: {
      severity: 'medium',
      allowed: 0o644,
      rationale:
        'Units and init scripts that read this file pass its content to dockerd: write access sets its options and gives root access.',
    },
    owner: {
      severity: 'medium',
      rationale: 'Units and init scripts that read this file pass its content to dockerd: its owner sets the options.',
    },
  };
}

/** Where a rootless daemon of user N keeps its socket: `/run/user/N/`. */
const RUNTIME_DIRECTORY = /^\/(?:var\/)?run\/user\/(\d{1,10})\//;

function userOfRuntimeDirectory({ path }: FileFact): readonly number[] {
  const user = RUNTIME_DIRECTORY.exec(path)?.[1];
  return user === undefined ? [] : [Number(user)];
}

const FILES: readonly CheckedFile[] = [
  binary('containerdBinary', 'containerd', 'containerd runs as root and starts every container'),
  {
    role: 'containerdConfig',
    id: 'containerd-config',
    name: 'containerd configuration',
    path: 'config.toml and every file that it imports',
    mode: {
      severity: 'high',
      allowed: 0o644,
      rationale:
        'Write access to this file makes containerd run another runtime, trust another registry or skip verification.',
      advice: 'Use 0600 where it holds registry credentials.',
    },
    owner: {
      severity: 'high',
      rationale:
        'The configuration names the runtimes and helper programs that containerd runs as root: its owner chooses them.',
    },
  },
  {
    role: 'containerdSocket',
    id: 'containerd-socket',
    name: 'containerd socket',
    path: 'the socket',
    mode: {
      severity: 'critical',
      allowed: 0o660,
      rationale: 'A user who can open this socket has root access: containerd starts any container with any mount.',
      remediation:
        'Restart containerd, which creates the socket with mode 0660. Find what changed the mode: a unit with ExecStartPost or a provisioning script.',
    },
    owner: {
      severity: 'high',
      rationale:
        'containerd does not distinguish users: every account that can open its socket can start a privileged container that Docker does not list.',
      remediation: 'Remove uid and gid from the [grpc] table of the containerd configuration and restart containerd.',
    },
  },
  {
    role: 'daemonJson',
    id: 'daemon-json',
    name: 'daemon.json',
    path: 'daemon.json (--config-file, otherwise /etc/docker/daemon.json)',
    mode: {
      severity: 'high',
      allowed: 0o644,
      rationale: 'Write access to daemon.json gives root access at the next start of dockerd.',
      advice: 'Use 0600 where it holds proxy credentials.',
    },
    owner: {
      severity: 'high',
      rationale:
        'The owner of daemon.json controls dockerd, which runs as root, from its next start: another runtime, an open TCP port, no seccomp profile.',
    },
  },
  environmentFile('defaultDocker', 'default-docker', '/etc/default/docker'),
  {
    role: 'dockerCaCertificate',
    id: 'docker-ca-certificate',
    name: 'Docker CA certificate',
    path: 'the file that --tlscacert names',
    mode: {
      severity: 'low',
      allowed: 0o444,
      rationale:
        'Write access to this CA file admits further clients. A file that is read-only for root too is not changed by accident.',
    },
    owner: {
      severity: 'medium',
      rationale:
        'This CA decides which clients may control dockerd over TCP. Its owner can add a CA and issue client certificates with it.',
    },
  },
  {
    role: 'dockerConfigDirectory',
    id: 'docker-config-directory',
    name: 'Docker configuration directory',
    path: 'the directory of daemon.json (usually /etc/docker)',
    mode: {
      severity: 'medium',
      allowed: 0o755,
      rationale:
        'Write access to the directory is enough to replace daemon.json or to add a trusted certificate for a registry.',
    },
    owner: {
      severity: 'medium',
      rationale:
        'The owner of a directory can replace every file in it, whatever the modes of the files are: here daemon.json and the certificates of registries.',
    },
  },
  {
    role: 'dockerRegistryCertificate',
    id: 'registry-certificate',
    name: 'Registry certificate or key',
    path: 'every file below /etc/docker/certs.d',
    mode: {
      severity: 'medium',
      // certs.d names client keys `*.key`; certificates are public.
      allowed: ({ path }) => (path.endsWith('.key') ? 0o400 : 0o444),
      rationale:
        'Write access to a CA file here makes dockerd trust a false registry. Read access to a client key allows pulls and pushes as this host.',
      remediation: 'Run chmod 0444 on certificates (*.crt, *.cert) and 0400 on keys (*.key) below /etc/docker/certs.d.',
    },
    owner: {
      severity: 'medium',
      rationale:
        'CA files in certs.d decide which registries dockerd trusts: their owner can make it trust a false registry.',
    },
  },
  {
    role: 'dockerServerCertificate',
    id: 'docker-server-certificate',
    name: 'Docker server certificate',
    path: 'the file that --tlscert names',
    mode: {
      severity: 'low',
      allowed: 0o444,
      rationale:
        'Only its renewal has to write the certificate. Write access for others allows them to break or redirect the API.',
    },
    owner: {
      severity: 'medium',
      rationale:
        'The owner can replace the certificate, which locks clients out or, with a key, directs them to another server.',
    },
  },
  {
    role: 'dockerServerKey',
    id: 'docker-server-key',
    name: 'Docker server key',
    path: 'the file that --tlskey names',
    mode: {
      severity: 'high',
      allowed: 0o400,
      milder: { allowed: 0o600, severity: 'low', when: 'only the owner has access, but can also write the key' },
      rationale:
        'With the private key an attacker on the network can impersonate this daemon and read what clients send, including registry credentials.',
      advice: 'Issue a new key if others could read it.',
    },
    owner: {
      severity: 'high',
      rationale: 'The owner of the key can read it and impersonate this daemon to every client.',
      advice: 'Issue a new key if another account owned it.',
    },
  },
  {
    role: 'dockerServiceUnit',
    id: 'docker-service',
    name: 'docker.service unit',
    path: 'the unit and each drop-in',
    mode: {
      severity: 'high',
      allowed: 0o644,
      rationale: 'Write access to the unit or a drop-in sets the command that systemd starts as root.',
    },
    owner: {
      severity: 'high',
      rationale: 'systemd runs the commands of the unit and its drop-ins as root: their owner can start any program.',
      advice: 'Find out who changed the owner: packages install both for root.',
    },
  },
  {
    role: 'dockerSocket',
    id: 'docker-socket',
    name: 'Docker socket',
    path: 'the socket',
    mode: {
      severity: 'critical',
      allowed: 0o660,
      rationale:
        'A user who can open this socket can start a container that mounts the root file system of the host: access for others gives every account root access.',
      remediation:
        'Set SocketMode=0660 in docker.socket and restart it (systemctl restart docker.socket docker). Do not chmod the socket to 0666.',
    },
    owner: {
      severity: 'high',
      title: 'Docker socket has the expected owner and group',
      failTitle: 'Docker socket has an unexpected owner or group',
      // dockerd uses the group `docker` unless --group, daemon.json or SocketGroup= names another.
      groups: ({ expectedGroup }) => (expectedGroup === null ? undefined : [expectedGroup || 'docker']),
      users: userOfRuntimeDirectory,
      rationale:
        'Owner and group of this socket control dockerd, which amounts to root access. An unintended group gives that to its members unnoticed.',
      remediation:
        'Set the group in one place (SocketGroup= in docker.socket, --group or "group" in daemon.json), restart Docker, and limit the members of that group to administrators.',
    },
  },
  {
    role: 'dockerSocketUnit',
    id: 'docker-socket-unit',
    name: 'docker.socket unit',
    path: 'docker.socket and its drop-ins',
    mode: {
      severity: 'medium',
      allowed: 0o644,
      rationale:
        'Write access to this unit can set SocketMode=0666, which gives every account of the host root access.',
    },
    owner: {
      severity: 'medium',
      rationale:
        'The unit sets path, owner, group and mode of the Docker socket: its owner can open the socket to everyone at the next start.',
    },
  },
  binary('dockerdBinary', 'dockerd', 'dockerd runs as root from boot'),
  binary('runcBinary', 'runc', 'runc runs as root for every container start and every exec'),
  {
    role: 'sshHostKey',
    id: 'ssh-host-key',
    name: 'SSH host key',
    path: '/etc/ssh/ssh_host_*_key',
    mode: {
      severity: 'high',
      // Red Hat style systems up to release 8 give the keys to the group ssh_keys, for a set-gid signing helper.
      allowed: ({ stat }) => (stat.state === 'seen' && stat.value.group === 'ssh_keys' ? 0o640 : 0o600),
      rationale:
        'With a host key an attacker can impersonate this host to administrators, record their passwords and use their forwarded agents.',
      remediation: 'Run chmod 0600 on /etc/ssh/ssh_host_*_key. Create new host keys if others could read them.',
    },
    owner: {
      severity: 'high',
      groups: () => ['ssh_keys'],
      rationale: 'The owner of a host key can read it and impersonate this host.',
    },
  },
  {
    role: 'sshdConfig',
    id: 'sshd-config',
    name: 'sshd configuration',
    path: 'sshd_config and every file that it includes',
    mode: {
      severity: 'medium',
      allowed: 0o644,
      rationale:
        'Write access to sshd_config or to an included file is enough to allow empty passwords, root logins or another key command.',
    },
    owner: {
      severity: 'high',
      rationale:
        'The owner of sshd_config or of an included file can allow a root login, or make sshd run a command as root.',
    },
  },
  environmentFile('sysconfigDocker', 'sysconfig-docker', '/etc/sysconfig/docker'),
];

/** The checks `file.NAME-mode` and `file.NAME-owner` of every file, sorted by id. */
export const FILE_CHECKS: readonly FileCheck[] = Object.freeze(
  [...FILES, ...KUBERNETES_FILES]
    .flatMap((file) => [modeCheck(file), ownerCheck(file)])
    .toSorted((one, other) => (one.id < other.id ? -1 : 1)),
);
