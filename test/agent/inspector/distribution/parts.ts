import type { Tree } from '../../../fixture/inspector/tree.ts';
import { service } from './base.ts';

/** Owner group and mode of files that differ from root:root 0644. */
export type FileModes = Readonly<Record<string, readonly [mode: number, gid?: number]>>;

/** A node as a distribution installs it, with the changes that hardening guides for it advise. */
export interface DistributionLayout {
  readonly name: string;
  readonly tree: Tree;
  readonly modes?: FileModes;
  /** Checks that rightly fail: no setting of the distribution changes it. */
  readonly fails?: readonly string[];
  /** Changes where this distribution has the setting, and the checks that fail after each. */
  readonly changes: readonly {
    readonly files: Readonly<Record<string, string | undefined>>;
    readonly fails: readonly string[];
  }[];
  /** No SSH server, or no accounts, or no units are part of this distribution. */
  readonly isAppliance?: boolean;
}

/** A drop-in for sshd, or what is put before the first line of its only file. */
export const HARDENED_SSHD = [
  'PermitRootLogin no',
  'PasswordAuthentication no',
  'KbdInteractiveAuthentication no',
  'AuthenticationMethods publickey',
  'AllowGroups admins',
  'X11Forwarding no',
  'DisableForwarding yes',
  'LoginGraceTime 30',
  'MaxAuthTries 3',
  'ClientAliveInterval 300',
  'ClientAliveCountMax 2',
  'LogLevel VERBOSE',
  '',
].join('\n');

/** Of the subpolicy or policy without SHA-1, CBC and 64-bit tags. */
export const STRONG = {
  ciphers: 'aes256-gcm@openssh.com,aes256-ctr,aes128-gcm@openssh.com,aes128-ctr',
  macs: 'hmac-sha2-256-etm@openssh.com,umac-128-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha2-512',
  kex: 'curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,diffie-hellman-group16-sha512,diffie-hellman-group18-sha512',
  keys: 'ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,ssh-ed25519,rsa-sha2-256,rsa-sha2-512',
};
export const STRONG_LINES = `Ciphers ${STRONG.ciphers}\nMACs ${STRONG.macs}\n`;
/** `/etc/crypto-policies/back-ends/opensshserver.config` of RHEL 9 and later. */
export const CRYPTO_POLICY = `${STRONG_LINES}GSSAPIKexAlgorithms gss-curve25519-sha256-,gss-nistp256-sha256-\nKexAlgorithms ${STRONG.kex}\nHostKeyAlgorithms ${STRONG.keys}\nPubkeyAcceptedAlgorithms ${STRONG.keys}\nCASignatureAlgorithms ${STRONG.keys}\n`;

export const SUDO_DEFAULTS =
  'Defaults\tenv_reset\nDefaults\tsecure_path="/usr/sbin:/usr/bin"\nroot\tALL=(ALL:ALL) ALL\n';
export const OPERATOR = 'operator:x:1000:1000:Operator:/home/operator:/bin/bash\n';
export const ROOT = 'root:x:0:0:root:/root:/bin/bash\n';
export const NOBODY =
  'daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\nsync:x:4:65534:sync:/bin:/bin/sync\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n';
export const HASH = `$6$abcdefgh$${'a'.repeat(86)}`;
export const YESCRYPT = `$y$j9T$abcdefghijklmnop$${'a'.repeat(43)}`;

export const ACCOUNTS: Tree = {
  '/etc/passwd': ROOT + NOBODY + OPERATOR,
  '/etc/shadow': `root:!:20000:0:99999:7:::\ndaemon:*:20000:0:99999:7:::\nsync:*:20000:0:99999:7:::\nnobody:*:20000:0:99999:7:::\noperator:${YESCRYPT}:20000:0:99999:7:::\n`,
  '/etc/group': 'root:x:0:\ndisk:x:6:\nsudo:x:27:operator\nshadow:x:42:\nadmins:x:1001:operator\noperator:x:1000:\n',
};

/** /bin, /lib and /sbin are links. */
export const MERGED_USR: Tree = {
  '/bin': '-> usr/bin',
  '/lib': '-> usr/lib',
  '/sbin': '-> usr/sbin',
  '/etc/os-release': '-> ../usr/lib/os-release',
};

export const SYSTEMD: Tree = {
  '/run/systemd/system/x': '',
  '/etc/machine-id': '8f1d0c6be2a54c0e9b7a3a1f5d2e4c60\n',
};

export const DENIED_MODULES = ['cramfs', 'hfs', 'hfsplus', 'jffs2', 'udf', 'dccp', 'sctp', 'rds', 'tipc', 'usb-storage']
  .map((name) => `install ${name} /bin/false\n`)
  .join('');

export const PUBLIC_KEY =
  'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDb0ksUwJV/rkO68qhHBMcfgu8wxZtOsUwWnrVGzBVsT root@node\n';

/** Host keys of the three types that ssh-keygen -A makes; here their public part is the same. */
export function hostKeys(mode = 0o600, gid = 0): { readonly tree: Tree; readonly modes: FileModes } {
  const paths = ['rsa', 'ecdsa', 'ed25519'].map((type) => `/etc/ssh/ssh_host_${type}_key`);
  return {
    tree: Object.fromEntries(
      paths.flatMap((path) => [
        [path, ''],
        [`${path}.pub`, PUBLIC_KEY],
      ]),
    ) as Tree,
    modes: Object.fromEntries(paths.map((path) => [path, [mode, gid] as const])),
  };
}
export const KEYS = hostKeys();

/** Kernels before 6.2 and 6.6, and those without the patches of Debian and Ubuntu, have fewer sysctls. */
export const NO_TIOCSTI = ['dev.tty.legacy_tiocsti'] as const;
export const NO_IO_URING = ['kernel.io_uring_disabled'] as const;
export const ONLY_DEBIAN = ['kernel.unprivileged_userns_clone'] as const;
export const ONLY_UBUNTU = [
  'kernel.apparmor_restrict_unprivileged_unconfined',
  'kernel.apparmor_restrict_unprivileged_userns',
] as const;

/** What systemd-coredump sets in /usr/lib/sysctl.d/50-coredump.conf. */
export const COREDUMP = {
  'kernel.core_pattern': '|/usr/lib/systemd/systemd-coredump %P %u %g %s %t %c %h',
  'fs.suid_dumpable': '2',
};

export const CONTAINERD: Tree = {
  ...service(70, 'containerd', '/usr/bin/containerd', 'system_u:system_r:container_runtime_t:s0'),
  '/usr/bin/runc': '',
  '/usr/bin/containerd-shim-runc-v2': '',
};
export const containerdConfig = (selinux = false): string =>
  `version = 2\n[plugins."io.containerd.grpc.v1.cri"]\n  enable_selinux = ${String(selinux)}\n  ignore_image_defined_volumes = true\n  unset_seccomp_profile = "runtime/default"\n`;

/** Rules of auditd, and what augenrules makes of them. */
export const AUDIT_RULES = [
  '/usr/bin/containerd',
  '/usr/bin/runc',
  '/usr/bin/containerd-shim-runc-v2',
  '/etc/containerd/config.toml',
  '/run/containerd',
  '/var/lib/containerd',
]
  .map((path) => `-w ${path} -p wa -k containers\n`)
  .join('');
export const AUDIT: Tree = {
  '/etc/audit/rules.d/containers.rules': AUDIT_RULES,
  '/etc/audit/audit.rules': AUDIT_RULES,
};
