import type { Tree } from '../../../fixture/inspector/tree.ts';
import { kernelTree, sshd } from './base.ts';
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
  NO_IO_URING,
  NO_TIOCSTI,
  ONLY_DEBIAN,
  ONLY_UBUNTU,
  ROOT,
  STRONG,
  SYSTEMD,
  containerdConfig,
  hostKeys,
} from './parts.ts';
import type { DistributionLayout, FileModes } from './parts.ts';

const RHEL_SSHD =
  'SyslogFacility AUTHPRIV\nChallengeResponseAuthentication no\nGSSAPIAuthentication yes\n' +
  'GSSAPICleanupCredentials no\nUsePAM yes\nX11Forwarding yes\nPrintMotd no\n';
const RHEL_ACCEPT =
  'AcceptEnv LANG LC_CTYPE LC_NUMERIC LC_TIME LC_COLLATE LC_MONETARY LC_MESSAGES\n' +
  'AcceptEnv LC_PAPER LC_NAME LC_ADDRESS LC_TELEPHONE LC_MEASUREMENT\n' +
  'AcceptEnv LC_IDENTIFICATION LC_ALL LANGUAGE\nAcceptEnv XMODIFIERS\n';
const RHEL_ACCOUNTS: Tree = {
  '/etc/passwd':
    `${ROOT}bin:x:1:1:bin:/bin:/sbin/nologin\nsync:x:5:0:sync:/sbin:/bin/sync\nshutdown:x:6:0:shutdown:/sbin:/sbin/shutdown\n` +
    `halt:x:7:0:halt:/sbin:/sbin/halt\noperator:x:11:0:operator:/root:/sbin/nologin\nsshd:x:74:74:x:/usr/share/empty.sshd:/sbin/nologin\nadmin:x:1000:1000::/home/admin:/bin/bash\n`,
  '/etc/shadow': `root:!!:20000:0:99999:7:::\nbin:*:20000:0:99999:7:::\nsync:*:20000:0:99999:7:::\nshutdown:*:20000:0:99999:7:::\nhalt:*:20000:0:99999:7:::\noperator:*:20000:0:99999:7:::\nsshd:!!:20000::::::\nadmin:${HASH}:20000:0:99999:7:::\n`,
  '/etc/group': 'root:x:0:\ndisk:x:6:\nwheel:x:10:admin\nssh_keys:x:101:\nadmins:x:1001:admin\nadmin:x:1000:\n',
  '/etc/sudoers':
    'Defaults   !visiblepw\nDefaults    always_set_home\nDefaults    secure_path = /sbin:/bin:/usr/sbin:/usr/bin\nroot\tALL=(ALL) \tALL\n%wheel\tALL=(ALL)\tALL\n#includedir /etc/sudoers.d\n',
  '/etc/login.defs': 'UID_MIN                  1000\nSYS_UID_MAX               999\nENCRYPT_METHOD SHA512\n',
};
const RHEL: Tree = {
  ...RHEL_ACCOUNTS,
  ...SYSTEMD,
  ...AUDIT,
  ...MERGED_USR,
  '/etc/systemd/system/multi-user.target.wants/sshd.service': '-> /usr/lib/systemd/system/sshd.service',
  '/etc/modprobe.d/rare.conf': DENIED_MODULES,
  '/etc/containerd/config.toml': containerdConfig(true),
  '/etc/crontab': '',
  '/etc/cron.d/0hourly': '',
  ...CONTAINERD,
};
const RHEL_MODES: FileModes = {
  '/etc/shadow': [0],
  '/etc/ssh/sshd_config': [0o600],
  '/etc/sudoers': [0o440],
};

/** AlmaLinux as a copy of RHEL: system-wide crypto policies, SELinux, GRUB 2 with user.cfg. */
export const RED_HAT_FAMILY: readonly DistributionLayout[] = [
  {
    // sshd 8.0 knows no Include; the crypto policy comes from the environment of the unit, on the command line.
    name: 'AlmaLinux 8, crypto policy FUTURE',
    tree: {
      ...kernelTree({
        release: '4.18.0-513.5.1.el8_9.x86_64',
        lsm: 'selinux',
        without: [
          ...NO_TIOCSTI,
          ...NO_IO_URING,
          ...ONLY_UBUNTU,
          ...ONLY_DEBIAN,
          'vm.unprivileged_userfaultfd',
          'fs.protected_fifos',
          'fs.protected_regular',
        ],
        sysctls: COREDUMP,
      }),
      ...RHEL,
      ...hostKeys(0o640, 101).tree,
      '/usr/lib/os-release': 'NAME="AlmaLinux"\nID="almalinux"\nID_LIKE="rhel centos fedora"\nVERSION_ID="8.9"\n',
      '/etc/ssh/sshd_config': `${HARDENED_SSHD}HostKey /etc/ssh/ssh_host_rsa_key\nHostKey /etc/ssh/ssh_host_ecdsa_key\nHostKey /etc/ssh/ssh_host_ed25519_key\n${RHEL_SSHD}AuthorizedKeysFile\t.ssh/authorized_keys\n${RHEL_ACCEPT}Subsystem\tsftp\t/usr/libexec/openssh/sftp-server\n`,
      '/etc/crypto-policies/back-ends/opensshserver.config': '-> /usr/share/crypto-policies/FUTURE/opensshserver.txt',
      '/usr/share/crypto-policies/FUTURE/opensshserver.txt': `CRYPTO_POLICY='-oCiphers=${STRONG.ciphers} -oMACs=${STRONG.macs}'\n`,
      '/usr/lib/modules/4.18.0-513.5.1.el8_9.x86_64/modules.dep': 'kernel/net/sctp/sctp.ko.xz:\n',
      ...sshd('OpenSSH_8.0p1', ['gssapikexalgorithms'], '/usr/sbin/sshd', {
        cmdline: [
          '/usr/sbin/sshd',
          '-D',
          `-oCiphers=${STRONG.ciphers}`,
          `-oMACs=${STRONG.macs}`,
          '-oGSSAPIKexAlgorithms=gss-curve25519-sha256-,gss-nistp256-sha256-',
          `-oKexAlgorithms=${STRONG.kex}`,
          `-oHostKeyAlgorithms=${STRONG.keys}`,
          `-oPubkeyAcceptedKeyTypes=${STRONG.keys}`,
          `-oCASignatureAlgorithms=${STRONG.keys}`,
        ],
      }),
    },
    modes: { ...RHEL_MODES, ...hostKeys(0o640, 101).modes },
    changes: [{ files: { '/sys/fs/selinux/enforce': '0' }, fails: ['kernel.selinux-enforcing'] }],
  },
  {
    name: 'AlmaLinux 9, crypto policy FUTURE',
    tree: {
      ...kernelTree({
        release: '5.14.0-362.8.1.el9_3.x86_64',
        lsm: 'selinux',
        without: [...NO_TIOCSTI, ...ONLY_UBUNTU, ...ONLY_DEBIAN],
        sysctls: COREDUMP,
      }),
      ...RHEL,
      ...hostKeys(0o640, 101).tree,
      '/usr/lib/os-release': 'NAME="AlmaLinux"\nID="almalinux"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.3"\n',
      '/etc/ssh/sshd_config':
        'Include /etc/ssh/sshd_config.d/*.conf\nAuthorizedKeysFile\t.ssh/authorized_keys\nSubsystem\tsftp\t/usr/libexec/openssh/sftp-server\n',
      '/etc/ssh/sshd_config.d/01-hardening.conf': HARDENED_SSHD,
      '/etc/ssh/sshd_config.d/50-redhat.conf': `Include /etc/crypto-policies/back-ends/opensshserver.config\n\n${RHEL_SSHD}`,
      '/etc/crypto-policies/back-ends/opensshserver.config': '-> /usr/share/crypto-policies/FUTURE/opensshserver.txt',
      '/usr/share/crypto-policies/FUTURE/opensshserver.txt': `${CRYPTO_POLICY}RequiredRSASize 3072\n`,
      '/usr/lib/modules/5.14.0-362.8.1.el9_3.x86_64/modules.dep': 'kernel/net/sctp/sctp.ko.xz:\n',
      ...sshd('OpenSSH_8.7p1', ['gssapikexalgorithms', 'requiredrsasize']),
    },
    modes: {
      ...RHEL_MODES,
      ...hostKeys(0o640, 101).modes,
      '/etc/ssh/sshd_config.d/50-redhat.conf': [0o600],
      '/etc/ssh/sshd_config.d/01-hardening.conf': [0o600],
    },
    changes: [
      {
        files: {
          '/usr/share/crypto-policies/FUTURE/opensshserver.txt': CRYPTO_POLICY.replace('MACs ', 'MACs hmac-sha1,'),
        },
        fails: ['ssh.weak-algorithms'],
      },
      // Its first release had the keyword under another name.
      {
        files: { '/usr/sbin/sshd': '\0OpenSSH_8.7p1\0gssapikexalgorithms\0rsaminsize\0' },
        fails: ['ssh.configuration-loads'],
      },
    ],
  },
  {
    name: 'AlmaLinux 10, crypto policy DEFAULT',
    tree: {
      ...kernelTree({
        release: '6.12.0-55.9.1.el10_0.x86_64',
        lsm: 'selinux',
        without: [...ONLY_UBUNTU, ...ONLY_DEBIAN],
        sysctls: COREDUMP,
      }),
      ...RHEL,
      ...KEYS.tree,
      '/usr/lib/os-release': 'NAME="AlmaLinux"\nID="almalinux"\nVERSION_ID="10.0"\n',
      '/etc/ssh/sshd_config':
        'Include /etc/ssh/sshd_config.d/*.conf\nAuthorizedKeysFile\t.ssh/authorized_keys\nSubsystem\tsftp\t/usr/libexec/openssh/sftp-server\n',
      '/etc/ssh/sshd_config.d/01-hardening.conf': HARDENED_SSHD,
      '/etc/ssh/sshd_config.d/40-redhat-crypto-policies.conf':
        'Include /etc/crypto-policies/back-ends/opensshserver.config\n',
      '/etc/ssh/sshd_config.d/50-redhat.conf': RHEL_SSHD,
      '/etc/crypto-policies/back-ends/opensshserver.config': '-> /usr/share/crypto-policies/DEFAULT/opensshserver.txt',
      '/usr/share/crypto-policies/DEFAULT/opensshserver.txt': `${CRYPTO_POLICY.replace('\nKexAlgorithms ', '\nKexAlgorithms mlkem768x25519-sha256,mlkem768nistp256-sha256,mlkem1024nistp384-sha384,')}RequiredRSASize 2048\n`,
      '/usr/lib/modules/6.12.0-55.9.1.el10_0.x86_64/modules.dep': 'kernel/net/sctp/sctp.ko.xz:\n',
      ...sshd('OpenSSH_9.9p1', ['gssapikexalgorithms', 'mlkem768nistp256-sha256', 'mlkem1024nistp384-sha384']),
    },
    modes: { ...RHEL_MODES, ...KEYS.modes },
    changes: [
      { files: { '/etc/ssh/sshd_config.d/00-first.conf': 'PermitRootLogin yes\n' }, fails: ['ssh.root-login'] },
    ],
  },
];
