import type { Severity } from '../verdict.ts';
import { severityRank } from '../verdict.ts';

/** How bad it is that a container can write to a path of the node, or only read it. */
interface Sensitivity {
  readonly writable: Severity;
  readonly readable: Severity;
}

/** Programs, services and accounts of the node: who writes there runs code as root. They hold no secrets. */
const CODE: Sensitivity = { writable: 'critical', readable: 'low' };
/** The same, and keys or password hashes can be read there. */
const CODE_AND_SECRETS: Sensitivity = { writable: 'critical', readable: 'high' };
const SETTINGS: Sensitivity = { writable: 'high', readable: 'medium' };
const STATE: Sensitivity = { writable: 'high', readable: 'low' };
const FILES: Sensitivity = { writable: 'medium', readable: 'low' };

/**
 * Sensitive paths of a node; `*` is one name. For a path below several entries the longest decides; a directory that
 * holds entries has the worst of theirs.
 */
const SENSITIVE: readonly (readonly [path: string, sensitivity: Sensitivity | undefined])[] = [
  ['/bin', CODE],
  ['/boot', STATE],
  ['/dev', SETTINGS],
  ...['full', 'null', 'random', 'tty', 'urandom', 'zero'].map((name) => [`/dev/${name}`, undefined] as const),
  ['/dev/log', FILES],
  ['/etc', SETTINGS],
  // What starts programs, decides who may log in, or names the libraries that every program loads.
  ...[
    'anacrontab',
    'bash.bashrc',
    'bashrc',
    'cron.d',
    'cron.daily',
    'cron.hourly',
    'cron.monthly',
    'cron.weekly',
    'crontab',
    'csh.cshrc',
    'csh.login',
    'environment',
    'group',
    'init.d',
    'inittab',
    'ld.so.conf',
    'ld.so.conf.d',
    'ld.so.preload',
    'modprobe.d',
    'modules-load.d',
    'pam.d',
    'passwd',
    'profile',
    'profile.d',
    'rc.local',
    'security',
    'systemd',
    'tmpfiles.d',
    'udev',
    'zsh',
  ].map((name) => [`/etc/${name}`, CODE] as const),
  ...[
    'cni',
    'containerd',
    'crio',
    'docker',
    'gshadow',
    'kubernetes',
    'rancher',
    'shadow',
    'ssh',
    'sudoers',
    'sudoers.d',
  ].map((name) => [`/etc/${name}`, CODE_AND_SECRETS] as const),
  // Anyone may know these, and many containers are given them.
  ...[
    'ca-certificates',
    'hostname',
    'hosts',
    'localtime',
    'machine-id',
    'nsswitch.conf',
    'os-release',
    'pki/ca-trust',
    'resolv.conf',
    'ssl/certs',
    'timezone',
  ].map((name) => [`/etc/${name}`, STATE] as const),
  ['/home', FILES],
  ['/home/*', SETTINGS],
  ['/home/*/*', FILES],
  ...['.bash_profile', '.bashrc', '.config/systemd', '.profile', '.zshrc'].map(
    (name) => [`/home/*/${name}`, STATE] as const,
  ),
  ...['.aws', '.docker', '.gnupg', '.kube', '.ssh'].map(
    (name) => [`/home/*/${name}`, { writable: 'high', readable: 'high' }] as const,
  ),
  ...['/lib', '/lib32', '/lib64', '/libx32'].map((path) => [path, CODE] as const),
  ['/proc', { writable: 'critical', readable: 'medium' }],
  ['/root', CODE_AND_SECRETS],
  ['/run', SETTINGS],
  ['/run/systemd', { writable: 'critical', readable: 'medium' }],
  ['/run/udev', STATE],
  ['/sbin', CODE],
  ['/sys', STATE],
  ['/usr', CODE],
  ['/usr/share', STATE],
  ...['etcd', 'kubelet'].map((name) => [`/var/lib/${name}`, CODE_AND_SECRETS] as const),
  ['/var/spool/at', CODE],
  ['/var/spool/cron', CODE],
];

/** Where engines keep their containers by default. */
export const ENGINE_ROOTS: readonly string[] = ['/var/lib/containerd', '/var/lib/containers', '/var/lib/docker'];

/** Directories of a container engine: layers, volumes and settings of all its containers. */
const engineEntries = (root: string): typeof SENSITIVE => [
  [root, CODE_AND_SECRETS],
  [`${root}/volumes/*`, SETTINGS],
];

/**
 * How bad it is that a container has `path` of the node mounted; undefined where it is not sensitive. `engineRoots`:
 * where engines keep their containers.
 */
export function sensitivityOf(path: string, readOnly: boolean, engineRoots: readonly string[]): Severity | undefined {
  const parts = partsOf(path);
  let longest = -1;
  let own: Sensitivity | undefined;
  const found: Sensitivity[] = [];
  for (const [entry, sensitivity] of [...SENSITIVE, ...engineRoots.flatMap(engineEntries)]) {
    const entryParts = partsOf(entry);
    const common = Math.min(parts.length, entryParts.length);
    if (!entryParts.slice(0, common).every((part, index) => part === '*' || part === parts[index])) continue;
    if (parts.length < entryParts.length) {
      if (sensitivity !== undefined) found.push(sensitivity);
    } else if (entryParts.length > longest) {
      longest = entryParts.length;
      own = sensitivity;
    }
  }
  if (own !== undefined) found.push(own);
  const severities = found.map(({ readable, writable }) => (readOnly ? readable : writable));
  return severities.sort((one, other) => severityRank(one) - severityRank(other))[0];
}

function partsOf(path: string): readonly string[] {
  return path.split('/').filter((part) => part !== '');
}
