import t from 'tap';
import { HOST_LAYOUT_CHECKS } from '../../../../posture/check/host/layout-checks.ts';
import { kubeletTunables } from '../../../../posture/check/kernel/kubelet-tunables.ts';
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
const mounted = (path: string, mountPoint: string, isRoot = mountPoint === '/'): Partial<Facts> =>
  host({ fileSystems: seen([{ path, mountPoint, isRoot }], '/proc/1/mountinfo') });
const sysctls = (values: Readonly<Record<string, string>>): Partial<Facts> => ({
  kernel: kernelFact({
    sysctls: Object.fromEntries(
      Object.entries(values).map(([name, value]) => [name, seen(value, `/proc/sys/${name}`)]),
    ),
  }),
  kubelet: kubeletFact(),
});
/** The values that a kubelet sets, kubernetes/kubernetes pkg/util/sysctl. */
const TUNABLES = {
  'vm.overcommit_memory': '1',
  'vm.panic_on_oom': '0',
  'kernel.panic': '10',
  'kernel.panic_on_oops': '1',
  'kernel.keys.root_maxkeys': '1000000',
  'kernel.keys.root_maxbytes': '25000000',
};

// What is accepted: NODE-HOST-08, LSM-04 and SYS-19 of the catalogue of node controls.
const ROWS: Readonly<Record<string, readonly (readonly [string, Partial<Facts>, Verdict])[]>> = {
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
    ['a directory of the root, mounted once more', mounted('/var/log', '/var/log', true), 'fail'],
    ['none of them', host({ fileSystems: seen([], '/proc/1/mountinfo') }), 'notApplicable'],
    ['not read', host({ fileSystems: UNREAD }), 'unknown'],
  ],
  'kernel.kubelet-tunables': [
    ['as the kubelet sets them', sysctls(TUNABLES), 'pass'],
    ...Object.keys(TUNABLES).map((name) => [name, sysctls({ ...TUNABLES, [name]: '7' }), 'fail'] as const),
    ['no kubelet', { kernel: kernelFact() }, 'notApplicable'],
    ['not read', sysctls({}), 'unknown'],
  ],
};

const ALL = [...HOST_LAYOUT_CHECKS, kubeletTunables];
t.same(ALL.map(({ id }) => id).sort(), Object.keys(ROWS).sort());
for (const check of ALL)
  judgeNodes(
    t,
    check,
    (ROWS[check.id] ?? []).map(([name, facts, verdict]) => ({ name, facts, verdict })),
  );
