import { kernelTree, service, sshd } from './base.ts';
import {
  AUDIT,
  CONTAINERD,
  COREDUMP,
  CRYPTO_POLICY,
  DENIED_MODULES,
  HARDENED_SSHD,
  HASH,
  KEYS,
  MERGED_USR,
  ONLY_DEBIAN,
  ONLY_UBUNTU,
  ROOT,
  STRONG_LINES,
  SYSTEMD,
  YESCRYPT,
  containerdConfig,
} from './parts.ts';
import type { DistributionLayout } from './parts.ts';

const MOUNTS_BOTTLEROCKET = [
  '22 1 253:0 / / ro,relatime shared:1 - ext4 /dev/dm-0 ro',
  '25 22 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec shared:4 - cgroup2 cgroup2 rw',
  '29 22 0:29 / /etc rw,nosuid,nodev,noexec shared:9 - tmpfs tmpfs rw',
  '30 22 259:9 / /local rw,nosuid,nodev,noatime shared:2 - xfs /dev/nvme1n1p1 rw',
  '31 22 259:9 /var /var rw,nosuid,nodev,noatime shared:3 - xfs /dev/nvme1n1p1 rw',
  '32 22 0:30 / /tmp rw,nosuid,nodev,noexec shared:5 - tmpfs tmpfs rw',
  '',
].join('\n');

const TALOS_CRI =
  'version = 3\n[plugins."io.containerd.cri.v1.runtime"]\n  enable_selinux = true\n  ignore_image_defined_volumes = true\n';
/** Nothing on these can load audit rules, so nothing records. */
const NO_AUDIT = [
  'audit.containerd-config',
  'audit.containerd-program',
  'audit.containerd-shim-runc-v2',
  'audit.runc-program',
];

/** Distributions that differ from these in where files are, or have no such files. */
export const OTHERS: readonly DistributionLayout[] = [
  {
    // /etc has what the administrator changed; the files of packages are below /usr/etc, those of sshd have mode 0640.
    name: 'openSUSE Leap 16 and Tumbleweed',
    tree: {
      ...kernelTree({
        release: '6.12.0-160000.5-default',
        lsm: 'selinux',
        without: [...ONLY_UBUNTU, ...ONLY_DEBIAN],
        sysctls: COREDUMP,
      }),
      ...SYSTEMD,
      ...AUDIT,
      ...KEYS.tree,
      ...MERGED_USR,
      '/usr/lib/os-release': 'NAME="openSUSE Leap"\nID="opensuse-leap"\nID_LIKE="suse opensuse"\nVERSION_ID="16.0"\n',
      '/etc/passwd': `${ROOT}messagebus:x:499:499::/run/dbus:/usr/sbin/nologin\nadmin:x:1000:100::/home/admin:/bin/bash\n`,
      '/etc/shadow': `root:!:20000::::::\nmessagebus:!:20000::::::\nadmin:${YESCRYPT}:20000::::::\n`,
      '/etc/group': 'root:x:0:\nshadow:x:15:\nusers:x:100:\nwheel:x:493:\nadmins:x:1001:admin\n',
      '/usr/etc/sudoers':
        'Defaults always_set_home\nDefaults env_reset\nDefaults targetpw\nALL   ALL=(ALL) ALL\nroot ALL=(ALL:ALL) ALL\n@includedir /usr/etc/sudoers.d\n@includedir /etc/sudoers.d\n',
      '/usr/etc/login.defs': 'UID_MIN  1000\nSYS_UID_MAX 499\n',
      '/usr/etc/ssh/sshd_config':
        'Include /etc/ssh/sshd_config.d/*.conf\nInclude /usr/etc/ssh/sshd_config.d/*.conf\nAuthorizedKeysFile\t.ssh/authorized_keys\nUsePAM yes\nX11Forwarding yes\nPrintMotd no\nSubsystem\tsftp\t/usr/libexec/ssh/sftp-server\n' +
        'AcceptEnv LANG LC_CTYPE LC_NUMERIC LC_TIME LC_COLLATE LC_MONETARY LC_MESSAGES\n',
      '/etc/ssh/sshd_config.d/10-hardening.conf': HARDENED_SSHD,
      '/usr/etc/ssh/sshd_config.d/40-suse-crypto-policies.conf':
        'Include /etc/crypto-policies/back-ends/opensshserver.config\n',
      '/usr/etc/ssh/moduli': '20240101000000 2 6 100 3071 2 F0\n',
      '/etc/crypto-policies/back-ends/opensshserver.config': `${CRYPTO_POLICY}RequiredRSASize 2048\n`,
      '/usr/lib/systemd/system/sshd.service':
        '[Service]\nEnvironmentFile=-/etc/sysconfig/ssh\nExecStart=/usr/sbin/sshd -D $SSHD_OPTS\n',
      '/etc/systemd/system/multi-user.target.wants/sshd.service': '-> /usr/lib/systemd/system/sshd.service',
      '/etc/modprobe.d/rare.conf': DENIED_MODULES,
      '/usr/lib/modules/6.12.0-160000.5-default/modules.dep': 'kernel/net/sctp/sctp.ko.zst:\n',
      '/etc/containerd/config.toml': containerdConfig(true),
      ...sshd('OpenSSH_10.0p2', ['gssapikexalgorithms']),
      ...CONTAINERD,
    },
    modes: {
      ...KEYS.modes,
      '/etc/shadow': [0o640, 15],
      '/usr/etc/ssh/sshd_config': [0o640],
      '/usr/etc/ssh/sshd_config.d/40-suse-crypto-policies.conf': [0o640],
    },
    changes: [
      {
        files: { '/etc/ssh/sshd_config': `PermitRootLogin yes\n${HARDENED_SSHD}${STRONG_LINES}` },
        fails: ['ssh.root-login'],
      },
      { files: { '/etc/ssh/sshd_config.d/00-first.conf': 'LoginGraceTime 0\n' }, fails: ['ssh.login-grace-time'] },
    ],
  },
  {
    // busybox and OpenRC: no systemd, no journal; doas, crontabs and syslogd of busybox.
    name: 'Alpine 3.22',
    tree: {
      ...kernelTree({ release: '6.12.30-0-lts', lsm: 'apparmor', without: [...ONLY_UBUNTU, ...ONLY_DEBIAN] }),
      ...AUDIT,
      ...KEYS.tree,
      '/proc/1/comm': 'init\n',
      '/etc/os-release': 'NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.22.0\n',
      '/bin/busybox': '',
      '/bin/sh': '-> /bin/busybox',
      '/etc/passwd':
        'root:x:0:0:root:/root:/bin/sh\nbin:x:1:1:bin:/bin:/sbin/nologin\nsync:x:5:0:sync:/sbin:/bin/sync\nnobody:x:65534:65534:nobody:/:/sbin/nologin\nadmin:x:1000:1000::/home/admin:/bin/ash\n',
      '/etc/shadow': `root:!::0:::::\nbin:!::0:::::\nsync:!::0:::::\nnobody:!::0:::::\nadmin:${HASH}:20000:0:99999:7:::\n`,
      '/etc/group':
        'root:x:0:root\ndisk:x:6:root\nwheel:x:10:root,admin\nshadow:x:42:\nadmins:x:1001:admin\nadmin:x:1000:\n',
      '/etc/doas.conf': 'permit persist :wheel\n',
      '/etc/crontabs/root': '*/15 * * * * run-parts /etc/periodic/15min\n',
      '/etc/runlevels/default/sshd': '-> /etc/init.d/sshd',
      '/etc/init.d/sshd': '#!/sbin/openrc-run\n',
      '/etc/ssh/sshd_config':
        'Include /etc/ssh/sshd_config.d/*.conf\nAuthorizedKeysFile\t.ssh/authorized_keys\nAllowTcpForwarding no\nGatewayPorts no\nX11Forwarding no\nSubsystem\tsftp\tinternal-sftp\n',
      '/etc/ssh/sshd_config.d/10-hardening.conf': `${HARDENED_SSHD}${STRONG_LINES}`,
      '/etc/modprobe.d/rare.conf': DENIED_MODULES,
      '/lib/modules/6.12.30-0-lts/modules.dep': 'kernel/net/sctp/sctp.ko.gz:\n',
      '/etc/containerd/config.toml': containerdConfig(),
      ...sshd('OpenSSH_10.0p1', [], '/usr/sbin/sshd', { cgroup: '0::/openrc.sshd\n' }),
      ...CONTAINERD,
    },
    modes: { ...KEYS.modes, '/etc/shadow': [0o640, 42], '/etc/doas.conf': [0o400], '/etc/crontabs/root': [0o600] },
    changes: [
      { files: { '/etc/ssh/sshd_config.d/00-first.conf': 'PermitRootLogin yes\n' }, fails: ['ssh.root-login'] },
    ],
  },
  {
    name: 'Flatcar: a read-only /usr with the files of the system, sshd by socket',
    tree: {
      ...kernelTree({
        release: '6.6.60-flatcar',
        lsm: 'selinux',
        without: [...ONLY_UBUNTU, ...ONLY_DEBIAN],
        sysctls: COREDUMP,
      }),
      ...SYSTEMD,
      ...AUDIT,
      ...KEYS.tree,
      ...MERGED_USR,
      '/usr/lib/os-release': 'NAME="Flatcar Container Linux by Kinvolk"\nID=flatcar\nID_LIKE=coreos\n',
      '/etc/passwd': `${ROOT}core:x:500:500:Flatcar Admin:/home/core:/bin/bash\n`,
      '/etc/shadow': 'root:*:15887:0:::::\ncore:*:15887:0:::::\n',
      '/etc/group':
        'root:x:0:root\nwheel:x:10:root,core\nsudo:x:150:core\ndocker:x:233:\nadmins:x:1001:core\ncore:x:500:core\n',
      '/etc/sudoers': '-> ../usr/share/flatcar/etc/sudoers',
      '/usr/share/flatcar/etc/sudoers': 'root ALL=(ALL) ALL\n@includedir /etc/sudoers.d\n',
      '/etc/ssh/sshd_config': '-> ../../usr/share/ssh/sshd_config',
      '/usr/share/ssh/sshd_config':
        'Include /etc/ssh/sshd_config.d/*.conf\nSubsystem sftp internal-sftp\nClientAliveInterval 180\nUseDNS no\nUsePAM yes\nPrintLastLog no # handled by PAM\nPrintMotd no # handled by PAM\n',
      '/etc/ssh/sshd_config.d/10-hardening.conf': `${HARDENED_SSHD}${STRONG_LINES}`,
      '/usr/sbin/sshd': '\0OpenSSH_9.8p1\0',
      '/usr/lib/systemd/system/sockets.target.wants/sshd.socket': '-> ../sshd.socket',
      '/usr/lib/systemd/system/sshd.socket': '[Socket]\nListenStream=22\nAccept=yes\n',
      '/usr/lib/systemd/system/sshd@.service': '[Service]\nExecStart=-/usr/sbin/sshd -i -e\nStandardInput=socket\n',
      '/etc/modprobe.d/rare.conf': DENIED_MODULES,
      '/usr/lib/modules/6.6.60-flatcar/modules.dep': 'kernel/net/sctp/sctp.ko.xz:\n',
      '/etc/containerd/config.toml': containerdConfig(true),
      ...CONTAINERD,
    },
    modes: { ...KEYS.modes, '/etc/shadow': [0o640] },
    changes: [
      { files: { '/etc/ssh/sshd_config.d/00-first.conf': 'PermitRootLogin yes\n' }, fails: ['ssh.root-login'] },
    ],
  },
  {
    name: 'Bottlerocket: no shell, no package manager, a root with dm-verity',
    tree: {
      ...kernelTree({ release: '6.12.40', lsm: 'selinux', without: [...ONLY_UBUNTU, ...ONLY_DEBIAN] }),
      ...SYSTEMD,
      ...MERGED_USR,
      '/usr/lib/os-release': 'NAME=Bottlerocket\nID=bottlerocket\nVERSION_ID=1.44.0\nVARIANT_ID=aws-k8s-1.33\n',
      '/proc/1/mountinfo': MOUNTS_BOTTLEROCKET,
      '/proc/self/mountinfo': MOUNTS_BOTTLEROCKET,
      '/etc/passwd': 'root:x:0:0:root:/root:/sbin/nologin\napi:x:274:274::/:/sbin/nologin\n',
      '/etc/group': 'root:x:0:\napi:x:274:\n',
      '/etc/containerd/config.toml': containerdConfig(true),
      '/usr/lib/modules/6.12.40/modules.dep': '',
      ...CONTAINERD,
    },
    fails: NO_AUDIT,
    isAppliance: true,
    changes: [{ files: { '/sys/fs/selinux/enforce': '0' }, fails: ['kernel.selinux-enforcing'] }],
  },
  {
    name: 'Talos: no systemd, no accounts, machined as the first process',
    tree: {
      ...kernelTree({
        release: '6.12.31-talos',
        lsm: 'selinux',
        without: [...ONLY_UBUNTU, ...ONLY_DEBIAN],
        sysctls: { 'kernel.modules_disabled': '0' },
      }),
      '/proc/1/comm': 'machined\n',
      '/proc/1/cgroup': '0::/init\n',
      '/etc/os-release': 'NAME="Talos"\nID=talos\nVERSION_ID=v1.10.4\n',
      '/etc/cri/containerd.toml': 'version = 3\nimports = ["/etc/cri/conf.d/cri.toml"]\n',
      '/etc/cri/conf.d/cri.toml': TALOS_CRI,
      '/usr/lib/modules/6.12.31-talos/modules.dep': '',
      ...service(70, 'containerd', '/usr/bin/containerd', 'system_u:system_r:pod_containerd_t:s0'),
      '/proc/70/cmdline':
        '/bin/containerd\0--address\0/run/containerd/containerd.sock\0--config\0/etc/cri/containerd.toml\0',
    },
    isAppliance: true,
    fails: ['audit.containerd-program'],
    changes: [
      {
        files: { '/etc/cri/conf.d/cri.toml': TALOS_CRI.replace('ignore_image', '#') },
        fails: ['containerd.image-volumes'],
      },
    ],
  },
];
