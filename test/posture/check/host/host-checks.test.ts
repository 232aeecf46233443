import t from 'tap';
import { HOST_CHECKS } from '../../../../posture/check/host/host-checks.ts';
import { rootEquivalentGroups } from '../../../../posture/check/host/root-equivalent-groups.ts';
import { isLaterKernel } from '../../../../posture/check/host/kernel-release.ts';
import { INTEGRITY_CHECKS } from '../../../../posture/check/kernel/integrity-checks.ts';
import type { Account } from '../../../../posture/fact/accounts.ts';
import type { Facts } from '../../../../posture/fact/facts.ts';
import type { HostFact } from '../../../../posture/fact/host.ts';
import type { KernelFact } from '../../../../posture/fact/kernel.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import type { Severity, Verdict } from '../../../../posture/verdict.ts';
import { account, accountsFact, hostFact, kernelFact } from '../../../fixture/facts.ts';
import { judgeNodes } from '../../../fixture/node-table.ts';
import type { NodeRow } from '../../../fixture/node-table.ts';

const UNREAD = unreadable('/x', 'permission denied (EACCES)');
const host = (fact: Partial<HostFact>, kernel: Partial<KernelFact> = {}): Partial<Facts> => ({
  host: hostFact(fact),
  kernel: kernelFact(kernel),
});
const module = (change: { loaded?: boolean; available?: boolean; denied?: boolean }): Partial<HostFact> => ({
  modules: seen([{ name: 'sctp', loaded: false, available: false, denied: false, ...change }], '/proc/modules'),
});
const handler = (flags: string): Partial<HostFact> => ({
  binaryFormats: seen([{ name: 'qemu', interpreter: '/usr/bin/qemu', flags }], '/proc/sys/fs/binfmt_misc'),
});
const SELINUX: Partial<KernelFact> = {
  selinux: seen('enforcing', '/sys/fs/selinux/enforce'),
  selinuxCheckreqprot: seen(false, '/sys/fs/selinux/checkreqprot'),
};
const domains = (...names: readonly string[]): Partial<HostFact> => ({
  permissiveDomains: seen(names, '/var/lib/selinux'),
});
const ima = (measures: boolean, violations: number): Partial<KernelFact> => ({
  imaMeasures: seen(measures, '/sys/kernel/security/ima'),
  imaViolations: seen(violations, '/sys/kernel/security/ima'),
});

const members = (name: string, of: readonly string[] = [], user: Partial<Account> = {}): Partial<Facts> => ({
  accounts: accountsFact({
    users: seen([account({ name: 'root', uid: 0, gid: 0 }), account(user)], '/etc/passwd'),
    groups: seen([{ name, gid: 6, members: of }], '/etc/group'),
  }),
});

// What is accepted: catalogue of node controls, NODE-SSH-24, LSM-03, LSM-09, BOOT-07, BOOT-09, HOST-11 and 14.
const ROWS: Readonly<Record<string, readonly (readonly [string, Partial<Facts>, Verdict, Severity?])[]>> = {
  'host.binary-formats': [
    ['not mounted', host({}), 'pass'],
    ['plain', host(handler('O')), 'pass'],
    ['with credentials', host(handler('OC')), 'manual'],
    ['for containers', host(handler('F')), 'manual'],
    ['not read', host({ binaryFormats: UNREAD }), 'unknown'],
  ],
  'host.kernel-current': [
    ['the only one', host({}), 'pass'],
    ['a later one', host({ kernels: seen(['6.12.10', '6.12.9'], '/lib/modules') }), 'fail'],
    ['an earlier one', host({ kernels: seen(['6.12.9', '6.1.0'], '/lib/modules') }), 'pass'],
    ['asked for', host({ restartRequired: seen(true, '/run/reboot-required') }), 'fail'],
    ['started from outside', host({ kernels: absent('/lib/modules') }), 'notApplicable'],
    ['of another', host({ kernels: seen(['5.4.0'], '/lib/modules') }), 'notApplicable'],
    ['not read', host({ kernels: UNREAD }), 'unknown'],
  ],
  'host.rare-modules': [
    ['not installed', host(module({})), 'pass'],
    ['installed', host(module({ available: true })), 'fail'],
    ['denied', host(module({ available: true, denied: true })), 'pass'],
    ['loaded and denied', host(module({ loaded: true, denied: true })), 'fail'],
    ['no modules', host({ modules: absent('/proc/modules') }), 'notApplicable'],
    ['not read', host({ modules: UNREAD }), 'unknown'],
  ],
  'host.swap': [
    ['none', host({}), 'pass'],
    ['zram', host({ swap: seen([{ path: '/dev/zram0', protected: true }], '/proc/swaps') }), 'pass'],
    ['a disk', host({ swap: seen([{ path: '/dev/sda2', protected: false }], '/proc/swaps') }), 'fail'],
    ['not read', host({ swap: UNREAD }), 'unknown'],
  ],
  'host.root-equivalent-groups': [
    ['nobody', members('disk'), 'pass'],
    ['a person', members('disk', ['ada']), 'fail'],
    ['by the primary group', members('lxd', [], { gid: 6 }), 'fail'],
    ['another group', members('games', ['ada']), 'pass'],
    // As Alpine has it: adm cannot log in.
    ['a system account', members('disk', ['root', 'adm'], { name: 'adm', canLogin: false }), 'pass'],
    ['no list', { accounts: accountsFact({ groups: unreadable('/etc/group', 'permission denied') }) }, 'unknown'],
    ['no accounts', { accounts: accountsFact({ users: unreadable('/etc/passwd', 'permission denied') }) }, 'unknown'],
  ],
  'kernel.integrity-measurement': [
    ['no IMA', host({}), 'notApplicable'],
    ['no policy', host({}, ima(false, 0)), 'fail'],
    ['measures', host({}, ima(true, 0)), 'pass'],
    ['violations', host({}, ima(true, 2)), 'fail'],
    ['not read', host({}, { imaMeasures: UNREAD }), 'unknown'],
  ],
  'kernel.selinux-exceptions': [
    ['no SELinux', host({}), 'notApplicable'],
    ['none', host(domains(), SELINUX), 'pass'],
    ['of a web server', host(domains('httpd_t'), SELINUX), 'pass'],
    ['of containers', host(domains('container_t'), SELINUX), 'fail'],
    ['checkreqprot', host(domains(), { ...SELINUX, selinuxCheckreqprot: seen(true, '/sys') }), 'fail'],
    ['not read', host({ permissiveDomains: UNREAD }, SELINUX), 'unknown'],
  ],
};

const checks = [...HOST_CHECKS, rootEquivalentGroups, ...INTEGRITY_CHECKS];
t.same(
  checks.map(({ id }) => id),
  Object.keys(ROWS),
);
for (const check of checks)
  judgeNodes(
    t,
    check,
    (ROWS[check.id] ?? []).map(([name, facts, verdict, severity]): NodeRow => {
      const row = { name, facts, verdict };
      return severity === undefined ? row : Object.assign(row, { severity });
    }),
  );

// Releases of Debian, Ubuntu, Red Hat, SUSE, Alpine and Flatcar, in the order in which they were published.
t.test('later kernels', (t) => {
  const rows = [
    ['6.1.0-18-amd64', '6.1.0-21-amd64'],
    ['6.8.0-31-generic', '6.8.0-100-generic'],
    ['5.14.0-427.13.1.el9_4.x86_64', '5.14.0-427.16.1.el9_4.x86_64'],
    ['5.14.0-427.13.1.el9_4.x86_64', '5.14.0-503.11.1.el9_5.x86_64'],
    ['6.4.0-150600.21-default', '6.4.0-150600.23.7-default'],
    ['6.6.30-0-lts', '6.6.31-0-lts'],
    ['6.6.95-flatcar', '6.12.30-flatcar'],
  ] as const;
  for (const [earlier, later] of rows) {
    t.ok(isLaterKernel(later, earlier), later);
    t.notOk(isLaterKernel(earlier, later), earlier);
    t.notOk(isLaterKernel(later, later));
  }
  t.notOk(isLaterKernel('6.8.0-40-lowlatency', '6.8.0-31-generic'), 'another flavour');
  t.end();
});
