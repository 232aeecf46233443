import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { nodeFact, noAgent } from '../../fixture/facts.ts';
import type { Answers } from '../../fixture/inspector/docker-api.ts';
import { DOCKER_SOCKET_INODE, NODE_TREE, processTree } from '../../fixture/inspector/daemon.ts';
import { recordedJson, recordedText } from '../../fixture/inspector/read.ts';
import { statusWith } from '../../fixture/inspector/tree.ts';
import type { Tree } from '../../fixture/inspector/tree.ts';
import { createParseCache } from '../../../agent/inspector/parse-cache.ts';
import { createFailedLooks } from '../../../agent/inspector/unobserved/failed-looks.ts';
import type { NodeAccess } from '../../../agent/node-access.ts';
import type { Host } from '../../../agent/host/host.ts';
import type { ContainerRuntime } from '../../../agent/runtime/runtime.ts';
import { NO_PROBER, ONE_ENGINE } from '../../fixture/one-engine.ts';

const UNIT = '/usr/lib/systemd/system';

/** Files of a node on which nearly everything is wrong that a file can say. */
export const WEAK_NODE: Tree = {
  '/etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n',
  '/etc/group': 'root:x:0:\ndocker:x:999:ann\n',
  '/etc/hostname': 'weak\n',
  '/etc/machine-id': '0123456789abcdef0123456789abcdef\n',
  '/etc/os-release': 'PRETTY_NAME="Debian GNU/Linux 13"\n',
  '/etc/default/docker': 'DOCKER_OPTS=""\n',
  '/etc/selinux/config': 'SELINUX=permissive\n',
  '/etc/docker/daemon.json': JSON.stringify({
    'default-ulimits': {},
    icc: true,
    iptables: false,
    'insecure-registries': ['registry.example:5000'],
    'log-level': 'debug',
    'no-new-privileges': false,
    'userland-proxy': true,
    'userns-remap': '',
  }),
  '/etc/docker/certs.d/registry.example/ca.crt': 'x',
  '/etc/docker/certs.d/registry.example/client.key': 'x',
  '/etc/ssh/sshd_config': [
    'Include /etc/ssh/sshd_config.d/*.conf',
    'PermitRootLogin yes',
    'PasswordAuthentication yes',
    'PermitEmptyPasswords yes',
    'X11Forwarding yes',
    'MaxAuthTries 20',
    'Ciphers +3des-cbc',
    'Match User ann',
    '  PermitRootLogin yes',
    '',
  ].join('\n'),
  '/etc/ssh/sshd_config.d/10-weak.conf': 'StrictModes no\nHostbasedAuthentication yes\nAcceptEnv *\n',
  '/etc/ssh/ssh_host_ed25519_key': 'x',
  [`${UNIT}/docker.service`]: '[Service]\nExecStart=/usr/sbin/dockerd -H fd://\n',
  [`${UNIT}/docker.service.d/10.conf`]: '[Service]\nLimitNOFILE=infinity\n',
  [`${UNIT}/docker.socket`]: '[Socket]\nListenStream=/run/docker.sock\nSocketGroup=docker\n',
  [`${UNIT}/ssh.service`]: '[Service]\nExecStart=/usr/sbin/sshd -D\n',
  '/usr/bin/containerd': 'x',
  '/usr/bin/runc': 'x',
  ...NODE_TREE,
  '/proc/1/status': statusWith({ Name: 'systemd', NSpid: '1' }),
  '/proc/1/mountinfo': '30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n',
  '/proc/1/net/tcp': recordedText('net/tcp'),
  '/proc/1/net/tcp6': recordedText('net/tcp6'),
  ...processTree(40, {
    comm: 'sshd',
    cmdline: 'sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups\0',
    sockets: [1060],
  }),
  '/proc/40/net/tcp': recordedText('net/tcp'),
  ...processTree(812, { cmdline: 'dockerd\0-H\0fd://\0', sockets: [DOCKER_SOCKET_INODE] }),
  '/run/docker.sock': '',
  '/proc/stat': 'cpu 0 0\nbtime 1764000000\n',
  '/proc/cmdline': 'BOOT_IMAGE=/vmlinuz mitigations=off\n',
  '/proc/mounts': '',
  '/proc/modules': '',
  '/proc/sys/kernel/cap_last_cap': '40\n',
  '/proc/sys/kernel/kptr_restrict': '0\n',
  '/proc/sys/kernel/dmesg_restrict': '0\n',
  '/proc/sys/kernel/randomize_va_space': '0\n',
  '/proc/sys/kernel/yama/ptrace_scope': '0\n',
  '/proc/sys/kernel/unprivileged_bpf_disabled': '0\n',
  '/proc/sys/kernel/perf_event_paranoid': '-1\n',
  '/proc/sys/kernel/sysrq': '1\n',
  '/proc/sys/kernel/tainted': '4096\n',
  '/proc/sys/kernel/core_pattern': '/tmp/core\n',
  '/proc/sys/kernel/seccomp/actions_avail': 'allow\n',
  '/proc/sys/fs/suid_dumpable': '1\n',
  '/proc/sys/fs/protected_symlinks': '0\n',
  '/proc/sys/fs/protected_hardlinks': '0\n',
  '/proc/sys/net/ipv4/conf/all/route_localnet': '1\n',
  '/proc/sys/net/ipv4/tcp_syncookies': '0\n',
  '/sys/kernel/security/lsm': 'capability\n',
  '/sys/kernel/security/lockdown': '[none] integrity confidentiality\n',
  '/sys/module/apparmor/parameters/enabled': 'N\n',
  '/sys/module/module/parameters/sig_enforce': 'N\n',
  '/sys/devices/system/cpu/vulnerabilities/meltdown': 'Vulnerable\n',
};

/** What the daemon of that node answers. */
export const WEAK_ANSWERS: Answers = {
  '/info': recordedJson('docker/info.json'),
  '/version': recordedJson('docker/version.json'),
  '/containers/json': [],
  '/networks/bridge': { Options: { 'com.docker.network.bridge.enable_icc': 'true' } },
};

/** Writes the files under `root`, open to everybody. */
export function writeTree(root: string, tree: Tree): void {
  for (const [path, content] of Object.entries(tree)) {
    const native = join(root, path);
    rmSync(native, { recursive: true, force: true });
    mkdirSync(dirname(native), { recursive: true });
    if (typeof content === 'string' && content.startsWith('-> ')) symlinkSync(content.slice(3), native);
    else writeFileSync(native, content, { mode: 0o666 });
  }
}

/** The node that `host` and `runtime` show. */
export function accessOf(host: Host, runtime: ContainerRuntime): NodeAccess {
  return {
    host,
    runtime: { ...runtime, endpoint: 'unix:///run/docker.sock' },
    prober: NO_PROBER,
    inventory: () => Promise.resolve(nodeFact()),
    agent: noAgent,
    engines: ONE_ENGINE,
    cache: createParseCache(),
    failedLooks: createFailedLooks(),
    now: () => Date.UTC(2026, 0, 2),
  };
}
