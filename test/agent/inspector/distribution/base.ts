import { SYSCTLS } from '../../../../posture/fact/kernel.ts';
import type { SysctlName } from '../../../../posture/fact/kernel.ts';
import { processTree } from '../../../fixture/inspector/daemon.ts';
import { recordedText } from '../../../fixture/inspector/read.ts';
import { INITIAL, namespaceLinks } from '../../../fixture/inspector/tree.ts';
import type { Tree } from '../../../fixture/inspector/tree.ts';

/** Inode of the listening socket of sshd in `/proc/net/tcp`. */
const SSH_INODE = 40_022;

/**
 * Values that the documentation of the kernel (Documentation/admin-guide/sysctl) describes as the restrictive ones, on
 * a node that routes for its containers. Where a kernel has no such file, the distribution names it in `without`.
 */
const HARDENED: Readonly<Record<SysctlName, string>> = {
  'dev.tty.ldisc_autoload': '0',
  'dev.tty.legacy_tiocsti': '0',
  'fs.protected_fifos': '2',
  'fs.protected_hardlinks': '1',
  'fs.protected_regular': '2',
  'fs.protected_symlinks': '1',
  'fs.suid_dumpable': '0',
  'kernel.apparmor_restrict_unprivileged_unconfined': '1',
  'kernel.apparmor_restrict_unprivileged_userns': '1',
  'kernel.core_pattern': '|/bin/false',
  'kernel.dmesg_restrict': '1',
  'kernel.io_uring_disabled': '2',
  'kernel.kexec_load_disabled': '1',
  'kernel.kptr_restrict': '2',
  'kernel.keys.root_maxbytes': '25000000',
  'kernel.keys.root_maxkeys': '1000000',
  'kernel.modules_disabled': '0',
  'kernel.panic': '10',
  'kernel.panic_on_oops': '1',
  'kernel.perf_event_paranoid': '3',
  'kernel.pid_max': '4194304',
  'kernel.randomize_va_space': '2',
  'kernel.sysrq': '0',
  'kernel.unprivileged_bpf_disabled': '2',
  'kernel.unprivileged_userns_clone': '0',
  'kernel.yama.ptrace_scope': '1',
  'net.core.bpf_jit_harden': '2',
  'user.max_user_namespaces': '0',
  'vm.mmap_min_addr': '65536',
  'vm.overcommit_memory': '1',
  'vm.panic_on_oom': '0',
  'vm.unprivileged_userfaultfd': '0',
};

/** What differs between kernels of distributions. */
export interface Kernel {
  readonly release: string;
  readonly lsm: 'apparmor' | 'selinux' | 'none';
  /** Sysctls that this kernel does not have. */
  readonly without?: readonly SysctlName[];
  /** Boot parameters beside those that hardening guides name. */
  readonly commandLine?: string;
  /** Values that the distribution sets. */
  readonly sysctls?: Readonly<Partial<Record<SysctlName, string>>>;
  /** Lines of mountinfo beside those of every node. */
  readonly mounts?: string;
}

/** What the kernel of a node says that was configured as its documentation advises, started by UEFI with Secure Boot. */
export function kernelTree({ release, lsm, without = [], commandLine = '', sysctls: own = {}, mounts }: Kernel): Tree {
  const sysctls = SYSCTLS.filter((name) => !without.includes(name)).map((name) => [
    `/proc/sys/${name.replaceAll('.', '/')}`,
    `${own[name] ?? HARDENED[name]}\n`,
  ]);
  return {
    '/proc/1/comm': 'systemd\n',
    '/proc/1/cgroup': '0::/init.scope\n',
    '/proc/stat': 'cpu 1\nbtime 1795602913\n',
    ...namespaceLinks(1, INITIAL),
    '/var/run': '-> /run',
    ...(Object.fromEntries(sysctls) as Tree),
    '/proc/sys/kernel/osrelease': `${release}\n`,
    '/proc/sys/net/ipv4/conf/all/route_localnet': '0\n',
    '/proc/sys/net/ipv4/conf/default/route_localnet': '0\n',
    '/proc/sys/net/ipv4/conf/eth0/route_localnet': '0\n',
    '/proc/sys/kernel/tainted': '0\n',
    '/proc/sys/kernel/cap_last_cap': '40\n',
    '/proc/sys/kernel/seccomp/actions_avail': 'kill_process kill_thread trap errno user_notif trace log allow\n',
    '/proc/cmdline': `BOOT_IMAGE=/vmlinuz root=/dev/sda2 ro slab_nomerge init_on_alloc=1 vsyscall=none debugfs=off audit=1 ${commandLine}\n`,
    '/proc/filesystems': 'nodev\tsysfs\n\text4\n',
    '/proc/modules': 'overlay 151552 0 - Live 0x0000000000000000\n',
    '/proc/swaps': 'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n',
    '/proc/1/loginuid': '4294967295',
    '/proc/1/net/dev': 'Inter-| Receive\n face |bytes\n    lo: 0 0\n  eth0: 0 0\n',
    '/proc/1/net/fib_trie': 'Main:\n  +-- 0.0.0.0/0 3 0 5\n           |-- 10.0.0.5\n              /32 host LOCAL\n',
    '/proc/1/net/tcp': TCP,
    '/proc/1/net/unix': recordedText('net/unix'),
    '/proc/1/mountinfo': mounts ?? MOUNTS,
    '/proc/self/mountinfo': mounts ?? MOUNTS,
    '/sys/devices/system/cpu/vulnerabilities/meltdown': 'Not affected\n',
    '/sys/module/module/parameters/sig_enforce': 'Y\n',
    '/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c': new Uint8Array([6, 0, 0, 0, 1]),
    '/sys/kernel/security/lockdown': 'none [integrity] confidentiality\n',
    ...(lsm === 'none' ? { '/sys/kernel/security/lsm': 'lockdown,capability,landlock,yama,bpf' } : {}),
    ...(lsm === 'apparmor'
      ? {
          '/sys/kernel/security/lsm': 'lockdown,capability,landlock,yama,apparmor,bpf',
          '/sys/module/apparmor/parameters/enabled': 'Y\n',
          '/sys/kernel/security/apparmor/profiles': 'cri-containerd.apparmor.d (enforce)\nunix-chkpwd (enforce)\n',
        }
      : {}),
    ...(lsm === 'selinux'
      ? {
          '/sys/kernel/security/lsm': 'lockdown,capability,landlock,yama,selinux,bpf',
          '/sys/fs/selinux/enforce': '1',
          '/sys/fs/selinux/checkreqprot': '0',
          '/etc/selinux/config': 'SELINUX=enforcing\nSELINUXTYPE=targeted\n',
        }
      : {}),
  };
}

const TCP = [
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
  `   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 ${String(SSH_INODE)} 1 0 100 0 0 10 0`,
  '',
].join('\n');

const MOUNTS = [
  '22 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw',
  '23 22 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:2 - proc proc rw',
  '24 22 0:22 / /sys rw,nosuid,nodev,noexec,relatime shared:3 - sysfs sysfs rw',
  '25 24 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw',
  '26 22 0:27 / /tmp rw,nosuid,nodev,noexec shared:5 - tmpfs tmpfs rw',
  '27 22 8:3 / /var rw,relatime shared:6 - ext4 /dev/sda3 rw',
  '28 27 8:4 / /var/log rw,nosuid,nodev,noexec shared:7 - ext4 /dev/sda4 rw',
  '29 27 8:5 / /var/lib/containerd rw,relatime shared:8 - ext4 /dev/sda5 rw',
  '30 27 8:6 / /var/lib/kubelet rw,relatime shared:9 - ext4 /dev/sda6 rw',
  '31 22 0:28 / /dev/shm rw,nosuid,nodev,noexec shared:10 - tmpfs tmpfs rw',
  '',
].join('\n');

/** sshd as it runs, with the version and the words of its program. */
export function sshd(
  version: string,
  words: readonly string[] = [],
  executable = '/usr/sbin/sshd',
  { cmdline, cgroup }: { readonly cmdline?: readonly string[]; readonly cgroup?: string } = {},
): Tree {
  return {
    [executable]: `\0${[version, ...words].join('\0')}\0`,
    ...processTree(600, {
      comm: 'sshd',
      exe: executable,
      cmdline: `${(cmdline ?? [`sshd: ${executable} -D [listener] 0 of 10-100 startups`]).join('\0')}\0`,
      cgroup: cgroup ?? '0::/system.slice/sshd.service\n',
      sockets: [SSH_INODE],
    }),
    '/proc/600/net/tcp': TCP,
    '/proc/600/attr/current': 'system_u:system_r:sshd_t:s0-s0:c0.c1023\0',
  };
}

/** A program of the node that runs as a service. */
export function service(pid: number, comm: string, executable: string, label = 'unconfined'): Tree {
  return {
    [executable]: '',
    ...processTree(pid, {
      comm,
      exe: executable,
      cmdline: `${executable}\0`,
      cgroup: `0::/system.slice/${comm}.service\n`,
    }),
    [`/proc/${String(pid)}/attr/current`]: `${label}\n`,
  };
}
