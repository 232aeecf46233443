// The real parts that the tests run against. Absent ones are installed through apt where that is possible, otherwise
// the tests that need them are skipped and counted with the reason.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { ROOT } from './setup.mjs';

/** A test cluster of one node: its script, which may stand beside the project, and the programs that it unpacks. */
const CLUSTER = join(dirname(ROOT), 'shared', 'cluster', 'cluster');
const CLUSTER_PROGRAMS = join(process.env.CLUSTER_STATE ?? '/var/tmp/test-cluster', 'bin');

/** Where packages are unpacked that conflict with an installed one. */
const UNPACKED = join(ROOT, '.tap', 'components');

/**
 * Each component: the program or file that shows that it is there, and the Debian packages that bring it. `unpack`: a
 * package that is not installed, because it would remove another component; its files go to a folder with its name.
 * `command`: brings the program in place of packages; without its file the component stays absent.
 */
const COMPONENTS = [
  { name: 'docker', program: 'dockerd', packages: ['docker.io', 'docker-cli', 'containerd', 'iptables', 'iproute2'] },
  { name: 'busybox', program: 'busybox', packages: ['busybox-static'] },
  { name: 'sshd', program: 'sshd', packages: ['openssh-server'] },
  { name: 'acl', program: 'setfacl', packages: ['acl'] },
  { name: 'ext4', program: 'mkfs.ext4', packages: ['e2fsprogs'] },
  { name: 'podman', program: 'podman', packages: ['podman'] },
  { name: 'gvisor', program: 'runsc', packages: ['runsc'] },
  { name: 'strace', program: 'strace', packages: ['strace'] },
  { name: 'systemd-analyze', program: 'systemd-analyze', packages: ['systemd'] },
  { name: 'ruby', program: 'ruby', packages: ['ruby'] },
  {
    name: 'jars',
    program: '/usr/share/java/commons-io.jar',
    packages: ['libcommons-io-java', 'libcommons-lang3-java', 'unzip'],
  },
  { name: 'composer', program: 'composer', packages: ['composer'] },
  { name: 'openssl', program: 'openssl', packages: ['openssl'] },
  { name: 'rpm', program: 'rpmbuild', packages: ['rpm', 'sqlite3'] },
  { name: 'db-load', program: 'db_load', packages: ['db-util'] },
  { name: 'rsyslog', program: 'rsyslogd', packages: ['rsyslog', 'rsyslog-gnutls', 'rsyslog-openssl'] },
  {
    name: 'syslog-ng',
    program: join(UNPACKED, 'syslog-ng', 'usr', 'sbin', 'syslog-ng'),
    packages: ['libivykis0t64', 'libivykis0', 'libnet1', 'libwrap0', 'libjson-c5', 'libglib2.0-0t64', 'libglib2.0-0'],
    unpack: 'syslog-ng-core',
  },
  { name: 'kcat', program: 'kcat', packages: ['kcat'] },
  { name: 'nats-server', program: 'nats-server', packages: ['nats-server'] },
  { name: 'docker-registry', program: 'docker-registry', packages: ['docker-registry'] },
  { name: 'cosign', program: 'cosign', packages: ['cosign'] },
  { name: 'skopeo', program: 'skopeo', packages: ['skopeo'] },
  // What defines the order of versions, to compare with.
  { name: 'rpm', program: 'rpm', packages: ['rpm'] },
  { name: 'dpkg-perl', program: '/usr/share/perl5/Dpkg/Version.pm', packages: ['libdpkg-perl'] },
  {
    name: 'python-packaging',
    program: '/usr/lib/python3/dist-packages/packaging/version.py',
    packages: ['python3-packaging'],
  },
  { name: 'java', program: 'java', packages: ['default-jre-headless'] },
  { name: 'maven', program: '/usr/share/java/maven-artifact-3.x.jar', packages: ['libmaven3-core-java'] },
  { name: 'php', program: 'php', packages: ['php-cli'] },
  {
    name: 'composer-semver',
    program: '/usr/share/php/Composer/Semver/autoload.php',
    packages: ['php-composer-semver'],
  },
  // A browser without any font draws no text, and then nothing that a test could look at.
  { name: 'chromium', program: 'chromium', packages: ['chromium', 'fonts-dejavu-core'] },
  { name: 'kubelet', program: join(CLUSTER_PROGRAMS, 'kubelet'), packages: [], command: [CLUSTER, 'unpack'] },
];

/** Installs what is absent and may be installed. Returns the names of components that stay absent. */
export function provideComponents() {
  const isProvidable = ({ command }) => command === undefined || existsSync(command[0]);
  const missing = COMPONENTS.filter((component) => !hasProgram(component.program) && isProvidable(component));
  if (missing.length === 0) return absentNames();
  const names = missing.map((component) => component.name).join(', ');
  const obstacle = installObstacle();
  if (obstacle !== undefined) {
    process.stderr.write(`test: ${names}: absent and not installed (${obstacle})\n`);
    return absentNames();
  }
  process.stderr.write(`test: installing ${names} (PLIMSOLL_TEST_NO_INSTALL=1 turns this off)\n`);
  const packages = available(missing.flatMap((component) => component.packages));
  if (packages.length > 0) apt(['install', '-y', '--no-install-recommends', ...packages]);
  for (const { name, unpack } of missing) if (unpack !== undefined) unpackPackage(unpack, join(UNPACKED, name));
  for (const { name, command } of missing) if (command !== undefined) provide(name, command);
  return absentNames();
}

function absentNames() {
  return COMPONENTS.filter((component) => !hasProgram(component.program)).map((component) => component.name);
}

function provide(name, [program, ...args]) {
  const done = spawnSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  if (done.status !== 0) process.stderr.write(`test: ${name}: ${`${done.stdout}${done.stderr}`.slice(-2000)}\n`);
}

/** Older releases carry docker-cli inside docker.io: ask only for packages that exist here. */
function available(packages) {
  if (packages.length === 0) return [];
  apt(['update']);
  return packages.filter((name) => {
    const policy = spawnSync('apt-cache', ['policy', name], { encoding: 'utf8' });
    return policy.status === 0 && /Candidate: (?!\(none\))/.test(policy.stdout);
  });
}

/** Downloads a Debian package and unpacks it, without its scripts and without its dependencies. */
function unpackPackage(name, directory) {
  const downloads = mkdtempSync(join(tmpdir(), 'plimsoll-package-'));
  mkdirSync(directory, { recursive: true });
  apt(['download', name], downloads);
  for (const file of readdirSync(downloads)) spawnSync('dpkg', ['-x', join(downloads, file), directory]);
  rmSync(downloads, { recursive: true });
}

function apt(args, cwd = ROOT) {
  const done = spawnSync('apt-get', ['-o', 'Acquire::Retries=3', ...args], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (done.status !== 0) process.stderr.write(`test: apt-get ${args[0]} failed\n${done.stderr?.slice(-2000) ?? ''}\n`);
}

function installObstacle() {
  if (process.env.PLIMSOLL_TEST_NO_INSTALL === '1') return 'PLIMSOLL_TEST_NO_INSTALL=1';
  if (process.getuid?.() !== 0) return 'not root';
  if (!existsSync('/etc/debian_version') || !hasProgram('apt-get')) {
    const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
    return `no apt on ${/^PRETTY_NAME="?([^"\n]*)/m.exec(release)?.[1] ?? 'this system'}`;
  }
  return undefined;
}

function hasProgram(name) {
  if (name.startsWith('/')) return existsSync(name);
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/local/sbin'];
  return folders.some((folder) => folder !== '' && existsSync(join(folder, name)));
}
