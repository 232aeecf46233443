import type { Tree } from '../../../fixture/inspector/tree.ts';
import { kernelTree, sshd } from './base.ts';
import {
  ACCOUNTS,
  AUDIT,
  CONTAINERD,
  DENIED_MODULES,
  HARDENED_SSHD,
  KEYS,
  MERGED_USR,
  NO_IO_URING,
  NO_TIOCSTI,
  ONLY_UBUNTU,
  STRONG_LINES,
  SUDO_DEFAULTS,
  SYSTEMD,
  containerdConfig,
} from './parts.ts';
import type { DistributionLayout, FileModes } from './parts.ts';

const DEBIAN_SSHD =
  'Include /etc/ssh/sshd_config.d/*.conf\nKbdInteractiveAuthentication no\nUsePAM yes\nX11Forwarding yes\nPrintMotd no\n' +
  'AcceptEnv LANG LC_*\nSubsystem\tsftp\t/usr/lib/openssh/sftp-server\n';

const HARDENING = '/etc/ssh/sshd_config.d/10-hardening.conf';

/** What the family has in common; `release` is that of the kernel. */
function debianTree(id: string, version: string, release: string): Tree {
  return {
    ...ACCOUNTS,
    ...SYSTEMD,
    ...AUDIT,
    ...KEYS.tree,
    ...CONTAINERD,
    ...MERGED_USR,
    '/usr/lib/os-release': `ID=${id}\nVERSION_ID="${version}"\n`,
    '/etc/ssh/sshd_config': DEBIAN_SSHD,
    [HARDENING]: `${HARDENED_SSHD}${STRONG_LINES}`,
    '/etc/sudoers': `${SUDO_DEFAULTS}%admin ALL=(ALL) ALL\n%sudo\tALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n`,
    '/etc/sudoers.d/README': '# no rules\n',
    '/etc/login.defs': 'UID_MIN\t\t\t 1000\nENCRYPT_METHOD YESCRYPT\n',
    '/etc/modprobe.d/rare.conf': DENIED_MODULES,
    [`/usr/lib/modules/${release}/modules.dep`]: 'kernel/net/sctp/sctp.ko:\nkernel/fs/udf/udf.ko.zst:\n',
    '/etc/crontab': '',
    '/etc/cron.d/e2scrub_all': '',
    '/etc/containerd/config.toml': containerdConfig(),
  };
}
const DEBIAN_MODES: FileModes = { ...KEYS.modes, '/etc/shadow': [0o640, 42] };

const BY_SERVICE: Tree = {
  '/etc/systemd/system/multi-user.target.wants/ssh.service': '-> /lib/systemd/system/ssh.service',
  '/etc/systemd/system/sshd.service': '-> /lib/systemd/system/ssh.service',
  '/usr/lib/systemd/system/ssh.service': '[Service]\nExecStart=/usr/sbin/sshd -D $SSHD_OPTS\n',
};

/** Debian and Ubuntu: files in /etc, APT, AppArmor. */
export const DEBIAN_FAMILY: readonly DistributionLayout[] = [
  {
    name: 'Debian 12',
    tree: {
      ...kernelTree({
        release: '6.1.0-18-amd64',
        lsm: 'apparmor',
        without: [...NO_TIOCSTI, ...NO_IO_URING, ...ONLY_UBUNTU],
      }),
      ...debianTree('debian', '12', '6.1.0-18-amd64'),
      ...BY_SERVICE,
      ...sshd('OpenSSH_9.2p1 Debian-2+deb12u3', ['debianbanner']),
    },
    modes: DEBIAN_MODES,
    changes: [
      { files: { '/etc/ssh/sshd_config.d/00-first.conf': 'PermitRootLogin yes\n' }, fails: ['ssh.root-login'] },
      { files: { '/etc/modprobe.d/rare.conf': 'blacklist udf\n' }, fails: ['host.rare-modules'] },
    ],
  },
  {
    name: 'Debian 13',
    tree: {
      ...kernelTree({ release: '6.12.48+deb13-amd64', lsm: 'apparmor', without: ONLY_UBUNTU }),
      ...debianTree('debian', '13', '6.12.48+deb13-amd64'),
      ...BY_SERVICE,
      ...sshd('OpenSSH_10.0p2 Debian-7+deb13u4', ['debianbanner']),
    },
    modes: DEBIAN_MODES,
    changes: [
      { files: { '/etc/ssh/sshd_config.d/00-first.conf': 'LoginGraceTime 0\n' }, fails: ['ssh.login-grace-time'] },
    ],
  },
  {
    name: 'Ubuntu 22.04',
    tree: {
      ...kernelTree({
        release: '5.15.0-119-generic',
        lsm: 'apparmor',
        without: [...NO_TIOCSTI, ...NO_IO_URING, ...ONLY_UBUNTU],
      }),
      ...debianTree('ubuntu', '22.04', '5.15.0-119-generic'),
      ...BY_SERVICE,
      ...sshd('OpenSSH_8.9p1 Ubuntu-3ubuntu0.10', ['debianbanner']),
    },
    modes: DEBIAN_MODES,
    changes: [{ files: { '/run/reboot-required': '' }, fails: ['host.kernel-current'] }],
  },
  {
    // The socket unit waits for connections, and no sshd runs until one comes. cloud-init has written the first drop-in.
    name: 'Ubuntu 24.04, the cloud image with an idle sshd',
    tree: {
      ...kernelTree({
        release: '6.8.0-45-generic',
        lsm: 'apparmor',
        sysctls: { 'user.max_user_namespaces': '63000', 'kernel.unprivileged_userns_clone': '1' },
      }),
      ...debianTree('ubuntu', '24.04', '6.8.0-45-generic'),
      '/etc/ssh/sshd_config.d/50-cloud-init.conf': 'PasswordAuthentication yes\n',
      '/etc/ssh/sshd_config.d/60-cloudimg-settings.conf': 'PasswordAuthentication no\n',
      '/usr/sbin/sshd': '\0OpenSSH_9.6p1 Ubuntu-3ubuntu13.5\0debianbanner\0',
      '/etc/systemd/system/sockets.target.wants/ssh.socket': '-> /usr/lib/systemd/system/ssh.socket',
      '/etc/systemd/system/ssh.service.requires/ssh.socket': '-> /usr/lib/systemd/system/ssh.socket',
      '/usr/lib/systemd/system/ssh.socket':
        '[Socket]\nListenStream=0.0.0.0:22\nListenStream=[::]:22\nBindIPv6Only=ipv6-only\nAccept=no\n',
      '/run/systemd/generator/ssh.socket.d/addresses.conf':
        '[Socket]\nListenStream=\nListenStream=0.0.0.0:22\nListenStream=[::]:22\n',
    },
    modes: DEBIAN_MODES,
    changes: [
      // The value that Ubuntu ships.
      {
        files: { '/proc/sys/kernel/apparmor_restrict_unprivileged_unconfined': '0\n' },
        fails: ['kernel.user-namespaces'],
      },
      {
        files: { '/proc/sys/net/ipv4/conf/eth0/route_localnet': '1\n' },
        fails: ['kernel.route-localnet'],
      },
      {
        files: {
          [HARDENING]: `${HARDENED_SSHD.replace(/^(?:PasswordAuth|AuthenticationM).*\n/gm, '')}${STRONG_LINES}`,
        },
        fails: ['ssh.key-required', 'ssh.password-authentication'],
      },
    ],
  },
];
