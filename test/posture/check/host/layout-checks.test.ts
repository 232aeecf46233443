import t from 'tap';
import { HOST_LAYOUT_CHECKS } from '../../../../posture/check/host/layout-checks.ts';
import { SYSCTL_CHECKS } from '../../../../posture/check/kernel/sysctl-checks.ts';
import type { Facts } from '../../../../posture/fact/facts.ts';
import type { HostFact } from '../../../../posture/fact/host.ts';
import { seen, unreadable } from '../../../../posture/observed.ts';
import type { Verdict } from '../../../../posture/verdict.ts';
import { hostFact, kernelFact } from '../../../fixture/facts.ts';
import { kubeletFact } from '../../../fixture/kubelet.ts';
import { judgeNodes } from '../../../fixture/node-table.ts';

const UNREAD = unreadable('/x', 'permission denied (EACCES)');
const host = (fact: Partial<HostFact>, selinux?: 'enforcing'): Partial<Facts> => ({
  host: hostFact(fact),
  kernel: kernelFact(selinux === undefined ? {} : { selinux: seen(selinux, '/sys/fs/selinux/enforce') }),
});
const boot = (mode: number, password: boolean, uid = 0): Partial<Facts> =>
  host({ bootFiles: seen([{ path: '/boot/grub/grub.cfg', mode, uid, gid: 0, password }], '/boot') });
const labelled = (label: string): Partial<Facts> =>
  host(
    {
      daemons: seen(
        [
          {
            pid: 7,
            name: 'containerd',
            label: seen(label, '/proc/7/attr/current'),
            noNewPrivileges: false,
            seccomp: false,
          },
          { pid: 8, name: 'sshd', label: UNREAD, noNewPrivileges: false, seccomp: false },
        ],
        '/proc',
      ),
    },
    'enforcing',
  );
const mounted = (path: string, mountPoint: string, options = 'rw'): Partial<Facts> =>
  host({ fileSystems: seen([{ path, mountPoint, options }], '/proc/1/mountinfo') });
const sysctls = (values: Readonly<Record<string, string>>, plugins: readonly string[] = []): Partial<Facts> => ({
  kernel: kernelFact({
    sysctls: Object.fromEntries(
      Object.entries(values).map(([name, value]) => [name, seen(value, `/proc/sys/${name}`)]),
    ),
    networkPlugins: seen(plugins, '/proc/1/net/dev'),
  }),
  kubelet: kubeletFact(),
});
const filter = (all: string, preset: string, plugins: readonly string[] = []): Partial<Facts> =>
  sysctls({ 'net.ipv4.conf.all.rp_filter': all, 'net.ipv4.conf.default.rp_filter': preset }, plugins);
/** The values that a kubelet sets, kubernetes/kubernetes pkg/util/sysctl. */
const TUNABLES = {
  'vm.overcommit_memory': '1',
  'vm.panic_on_oom': '0',
  'kernel.panic': '10',
  'kernel.panic_on_oops': '1',
  'kernel.keys.root_maxkeys': '1000000',
  'kernel.keys.root_maxbytes': '25000000',
};
const MARTIANS = { 'net.ipv4.conf.all.log_martians': '1', 'net.ipv4.conf.default.log_martians': '1' };

// What is accepted: NODE-BOOT-09, HOST-07, HOST-08, LSM-04, SYS-15, SYS-17 and SYS-19 of the catalogue of node controls.
const ROWS: Readonly<Record<string, readonly (readonly [string, Partial<Facts>, Verdict])[]>> = {
  'host.boot-loader': [
    ['closed, with a password', boot(0o600, true), 'pass'],
    ['closed, without', boot(0o400, false), 'manual'],
    ['readable', boot(0o644, true), 'fail'],
    ['of a user', boot(0o600, true, 1000), 'fail'],
    ['another boot loader', host({}), 'notApplicable'],
    ['not read', host({ bootFiles: UNREAD }), 'unknown'],
  ],
  'host.runtime-labels': [
    ['its own type', labelled('system_u:system_r:container_runtime_t:s0'), 'pass'],
    ['unconfined', labelled('system_u:system_r:unconfined_service_t:s0'), 'fail'],
    ['no SELinux', host({}), 'notApplicable'],
    ['nothing runs', host({}, 'enforcing'), 'notApplicable'],
    [
      'label not read',
      host(
        { daemons: seen([{ pid: 7, name: 'crio', label: UNREAD, noNewPrivileges: false, seccomp: false }], '/proc') },
        'enforcing',
      ),
      'unknown',
    ],
    ['not read', host({ daemons: UNREAD }), 'unknown'],
  ],
  'host.separate-file-systems': [
    ['separate', mounted('/var/log', '/var/log'), 'pass'],
    ['below another', mounted('/var/log', '/var'), 'pass'],
    ['on the root', mounted('/var/lib/kubelet', '/'), 'fail'],
    ['only others', mounted('/tmp', '/'), 'notApplicable'],
    ['not read', host({ fileSystems: UNREAD }), 'unknown'],
  ],
  'host.temporary-directories': [
    ['protected', mounted('/tmp', '/tmp', 'rw,nosuid,nodev,relatime'), 'pass'],
    ['set-user-ID files', mounted('/dev/shm', '/dev/shm', 'rw,nodev'), 'fail'],
    ['devices', mounted('/var/tmp', '/var/tmp', 'rw,nosuid'), 'fail'],
    ['not of its own', mounted('/tmp', '/'), 'notApplicable'],
    ['runtimes need them', mounted('/var/lib/kubelet', '/var/lib/kubelet', 'rw'), 'notApplicable'],
    ['not read', host({ fileSystems: UNREAD }), 'unknown'],
  ],
  'kernel.kubelet-tunables': [
    ['as the kubelet sets them', sysctls(TUNABLES), 'pass'],
    ...Object.keys(TUNABLES).map((name) => [name, sysctls({ ...TUNABLES, [name]: '7' }), 'fail'] as const),
    ['no kubelet', { kernel: kernelFact() }, 'notApplicable'],
    ['not read', sysctls({}), 'unknown'],
  ],
  'kernel.martian-packets': [
    ['logged', sysctls(MARTIANS), 'pass'],
    ['not by new interfaces', sysctls({ ...MARTIANS, 'net.ipv4.conf.default.log_martians': '0' }), 'fail'],
    ['not read', sysctls({}), 'unknown'],
  ],
  'kernel.reverse-path-filter': [
    ['strict', filter('1', '0'), 'pass'],
    ['loose by default, as systemd sets it', filter('0', '2'), 'pass'],
    ['off', filter('0', '0'), 'fail'],
    ['Cilium', filter('0', '0', ['cilium_host']), 'notApplicable'],
    ['not read', sysctls({}), 'unknown'],
    ['default not read', sysctls({ 'net.ipv4.conf.all.rp_filter': '0' }), 'unknown'],
  ],
};

const ALL = [...HOST_LAYOUT_CHECKS, ...SYSCTL_CHECKS].filter(({ id }) => ROWS[id] !== undefined);
t.same(ALL.map(({ id }) => id).sort(), Object.keys(ROWS).sort());
for (const check of ALL)
  judgeNodes(
    t,
    check,
    (ROWS[check.id] ?? []).map(([name, facts, verdict]) => ({ name, facts, verdict })),
  );
