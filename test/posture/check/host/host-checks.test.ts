import t from 'tap';
import { HOST_CHECKS } from '../../../../posture/check/host/host-checks.ts';
import { isLaterKernel } from '../../../../posture/check/host/kernel-release.ts';
import { INTEGRITY_CHECKS } from '../../../../posture/check/kernel/integrity-checks.ts';
import type { Facts } from '../../../../posture/fact/facts.ts';
import type { HostFact } from '../../../../posture/fact/host.ts';
import type { KernelFact } from '../../../../posture/fact/kernel.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import type { Severity, Verdict } from '../../../../posture/verdict.ts';
import { hostFact, kernelFact } from '../../../fixture/facts.ts';
import { judgeNodes } from '../../../fixture/node-table.ts';
import type { NodeRow } from '../../../fixture/node-table.ts';

const UNREAD = unreadable('/x', 'permission denied (EACCES)');
const host = (fact: Partial<HostFact>, kernel: Partial<KernelFact> = {}): Partial<Facts> => ({
  host: hostFact(fact),
  kernel: kernelFact(kernel),
});
const run = (name: string): HostFact['timeServices'] =>
  seen([{ pid: 7, name, executable: `/usr/sbin/${name}` }], '/proc/*/exe');
const module = (change: { loaded?: boolean; available?: boolean; denied?: boolean }): Partial<HostFact> => ({
  modules: seen([{ name: 'sctp', loaded: false, available: false, denied: false, ...change }], '/proc/modules'),
});
const handler = (flags: string): Partial<HostFact> => ({
  binaryFormats: seen([{ name: 'qemu', interpreter: '/usr/bin/qemu', flags }], '/proc/sys/fs/binfmt_misc'),
});
const program = (kind: 'memory' | 'temporary' | 'deleted'): Partial<HostFact> => ({
  unusualPrograms: seen([{ pid: 7, executable: '/x', kind }], '/proc/*/exe'),
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

// What is accepted: catalogue of node controls, NODE-SSH-25, LSM-03, LSM-09, BOOT-07, BOOT-09, TLS-18 and HOST-06 to 14.
const ROWS: Readonly<Record<string, readonly (readonly [string, Partial<Facts>, Verdict, Severity?])[]>> = {
  'host.automatic-login': [
    ['none', host({}), 'pass'],
    ['a terminal', host({ automaticLogins: run('agetty') }), 'fail'],
    ['not read', host({ automaticLogins: UNREAD }), 'unknown'],
  ],
  'host.automatic-updates': [
    ['a service', host({}), 'pass'],
    ['nothing', host({ automaticUpdates: absent('/etc/apt') }), 'fail'],
    ['replaced as a whole', host({ automaticUpdates: absent('/etc/apt'), distribution: 'talos' }), 'notApplicable'],
    ['not read', host({ automaticUpdates: UNREAD }), 'unknown'],
  ],
  'host.binary-formats': [
    ['not mounted', host({}), 'pass'],
    ['plain', host(handler('O')), 'pass'],
    ['with credentials', host(handler('OC')), 'manual'],
    ['for containers', host(handler('F')), 'manual'],
    ['not read', host({ binaryFormats: UNREAD }), 'unknown'],
  ],
  'host.development-tools': [
    ['none', host({}), 'pass'],
    ['gcc', host({ developmentTools: seen(['/usr/bin/gcc'], '/usr/bin') }), 'fail'],
    ['not read', host({ developmentTools: UNREAD }), 'unknown'],
  ],
  'host.job-files': [
    ['none', host({}), 'pass'],
    ['one', host({ openJobFiles: seen([{ path: '/etc/cron.d/x', reason: 'owned by uid 1000' }], '/etc') }), 'fail'],
    ['not read', host({ openJobFiles: UNREAD }), 'unknown'],
  ],
  'host.journal': [
    ['persistent', host({}), 'pass'],
    ['in memory', host({ journal: seen('volatile', '/var/log/journal') }), 'fail'],
    ['forwarded', host({ journal: seen('volatile', '/var/log/journal'), logForwarders: run('rsyslogd') }), 'pass'],
    ['syslog alone', host({ journal: absent('/run/systemd'), logForwarders: run('syslogd') }), 'pass'],
    ['nothing', host({ journal: absent('/run/systemd') }), 'fail'],
    ['Talos', host({ journal: absent('/run/systemd'), distribution: 'talos' }), 'manual'],
    ['forwarders not read', host({ journal: absent('/run/systemd'), logForwarders: UNREAD }), 'unknown'],
    ['not read', host({ journal: UNREAD }), 'unknown'],
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
  'host.library-preload': [
    ['no file', host({}), 'pass'],
    ['empty', host({ preloadedLibraries: seen([], '/etc/ld.so.preload') }), 'pass'],
    ['a library', host({ preloadedLibraries: seen(['/lib/x.so'], '/etc/ld.so.preload') }), 'fail'],
    ['not read', host({ preloadedLibraries: UNREAD }), 'unknown'],
  ],
  'host.rare-modules': [
    ['not installed', host(module({})), 'pass'],
    ['installed', host(module({ available: true })), 'fail'],
    ['denied', host(module({ available: true, denied: true })), 'pass'],
    ['loaded and denied', host(module({ loaded: true, denied: true })), 'fail'],
    ['no modules', host({ modules: absent('/proc/modules') }), 'notApplicable'],
    ['not read', host({ modules: UNREAD }), 'unknown'],
  ],
  'host.remote-services': [
    ['none', host({}), 'pass'],
    ['telnetd', host({ remoteServices: run('telnetd') }), 'fail'],
    ['not read', host({ remoteServices: UNREAD }), 'unknown'],
  ],
  'host.swap': [
    ['none', host({}), 'pass'],
    ['zram', host({ swap: seen([{ path: '/dev/zram0', protected: true }], '/proc/swaps') }), 'pass'],
    ['a disk', host({ swap: seen([{ path: '/dev/sda2', protected: false }], '/proc/swaps') }), 'fail'],
    ['not read', host({ swap: UNREAD }), 'unknown'],
  ],
  'host.time-synchronization': [
    ['chrony', host({}), 'pass'],
    ['nothing', host({ timeServices: seen([], '/proc') }), 'fail'],
    ['Talos', host({ timeServices: seen([], '/proc'), distribution: 'talos' }), 'manual'],
    ['timesyncd without a server', host({ timeServices: run('systemd-timesyn') }), 'fail'],
    ['timesyncd', host({ timeServices: run('systemd-timesyn'), clockSynchronized: seen(true, '/run') }), 'pass'],
    ['not read', host({ timeServices: UNREAD }), 'unknown'],
  ],
  'host.unusual-programs': [
    ['none', host({}), 'pass'],
    ['in memory', host(program('memory')), 'fail'],
    ['in /tmp', host(program('temporary')), 'fail'],
    ['updated', host(program('deleted')), 'fail', 'low'],
    ['not read', host({ unusualPrograms: UNREAD }), 'unknown'],
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

const checks = [...HOST_CHECKS, ...INTEGRITY_CHECKS];
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
