import t from 'tap';
import { CHECKS } from '../../../../posture/check/registry.ts';
import type { NodeCheck } from '../../../../posture/check/check.ts';
import type { Facts } from '../../../../posture/fact/facts.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import type { Verdict } from '../../../../posture/verdict.ts';
import { kernelFact } from '../../../fixture/facts.ts';
import { judgeNodes } from '../../../fixture/node-table.ts';
import type { NodeRow } from '../../../fixture/node-table.ts';

type Sysctls = Readonly<Record<string, string>>;

function withSysctls(values: Sysctls): Partial<Facts> {
  const sysctls = Object.entries(values).map(
    ([name, value]) => [name, seen(value, `/proc/sys/${name.replaceAll('.', '/')}`)] as const,
  );
  return { kernel: kernelFact({ sysctls: Object.fromEntries(sysctls) }) };
}

// Values: Documentation/admin-guide/sysctl/{kernel,fs,vm,net}.rst, Yama.rst and sysrq.rst of the kernel. What is
// accepted of them: catalogue of node controls, NODE-SYS-01 to 18 and NODE-BOOT-08.
const ONE: readonly (readonly [
  id: string,
  name: string,
  right: readonly string[],
  wrong: readonly string[],
  absentIs: Verdict,
])[] = [
  ['kernel.aslr', 'kernel.randomize_va_space', ['2'], ['0', '1'], 'notApplicable'],
  ['kernel.modules-disabled', 'kernel.modules_disabled', ['1'], ['0'], 'notApplicable'],
  ['kernel.bpf-jit-harden', 'net.core.bpf_jit_harden', ['1', '2'], ['0'], 'notApplicable'],
  ['kernel.dmesg-restrict', 'kernel.dmesg_restrict', ['1'], ['0'], 'notApplicable'],
  ['kernel.io-uring', 'kernel.io_uring_disabled', ['1', '2'], ['0'], 'notApplicable'],
  ['kernel.kexec-load', 'kernel.kexec_load_disabled', ['1'], ['0'], 'notApplicable'],
  ['kernel.kptr-restrict', 'kernel.kptr_restrict', ['1', '2'], ['0'], 'notApplicable'],
  ['kernel.line-discipline-autoload', 'dev.tty.ldisc_autoload', ['0'], ['1'], 'notApplicable'],
  ['kernel.mmap-min-addr', 'vm.mmap_min_addr', ['65536', '98304'], ['0', '4096', '32768'], 'notApplicable'],
  ['kernel.perf-event-paranoid', 'kernel.perf_event_paranoid', ['2', '3', '4'], ['-1', '0', '1'], 'notApplicable'],
  // 438 is what Debian ships, 176 Ubuntu; 1 means everything.
  ['kernel.sysrq', 'kernel.sysrq', ['0', '4', '16', '28'], ['1', '176', '438', '-1'], 'notApplicable'],
  ['kernel.terminal-injection', 'dev.tty.legacy_tiocsti', ['0'], ['1'], 'notApplicable'],
  // 2 is what distributions ship (BPF_UNPRIV_DEFAULT_OFF), and as strict as 1.
  ['kernel.unprivileged-bpf', 'kernel.unprivileged_bpf_disabled', ['1', '2'], ['0'], 'notApplicable'],
  ['kernel.userfaultfd', 'vm.unprivileged_userfaultfd', ['0'], ['1'], 'notApplicable'],
  // No such file: the kernel has no Yama, and every process may attach to every other of its user.
  ['kernel.yama-ptrace', 'kernel.yama.ptrace_scope', ['1', '2', '3'], ['0'], 'fail'],
];

const checks = new Map(CHECKS.flatMap((check) => (check.judges === 'node' ? [[check.id, check] as const] : [])));

function checkOf(id: string): NodeCheck {
  const check = checks.get(id);
  if (check === undefined) throw new Error(`${id} is not registered`);
  return check;
}

for (const [id, name, right, wrong, absentIs] of ONE) {
  const path = `/proc/sys/${name.replaceAll('.', '/')}`;
  const row = (value: string, verdict: Verdict): NodeRow => ({
    name: `${name} = ${value}`,
    facts: withSysctls({ [name]: `${value}\n` }),
    verdict,
    seen: [`${name} = ${value}`],
    sources: [path],
  });
  judgeNodes(t, checkOf(id), [
    ...right.map((value) => row(value, 'pass')),
    ...wrong.map((value) => row(value, 'fail')),
    { name: 'absent', facts: { kernel: kernelFact({ sysctls: { [name]: absent(path) } }) }, verdict: absentIs },
    {
      name: 'unreadable',
      facts: { kernel: kernelFact({ sysctls: { [name]: unreadable(path, 'permission denied (EACCES)') } }) },
      verdict: 'unknown',
      reason: new RegExp(`${path}: permission denied`),
    },
    {
      name: 'not read at all',
      facts: { kernel: kernelFact({ sysctls: {} }) },
      verdict: 'unknown',
      reason: /was not read/,
    },
    { name: 'no number', facts: withSysctls({ [name]: 'core' }), verdict: 'unknown', reason: /does not hold a number/ },
  ]);
}

const links = (symlinks: string, hardlinks: string): Partial<Facts> =>
  withSysctls({ 'fs.protected_symlinks': symlinks, 'fs.protected_hardlinks': hardlinks });
judgeNodes(t, checkOf('kernel.protected-links'), [
  { name: 'both', facts: links('1', '1'), verdict: 'pass' },
  { name: 'one only', facts: links('1', '0'), verdict: 'fail', seen: ['fs.protected_hardlinks = 0'] },
  {
    name: 'neither',
    facts: links('0', '0'),
    verdict: 'fail',
    seen: ['fs.protected_symlinks = 0', 'fs.protected_hardlinks = 0'],
  },
  { name: 'one was not read', facts: withSysctls({ 'fs.protected_symlinks': '1' }), verdict: 'unknown' },
  { name: 'what was read fails', facts: withSysctls({ 'fs.protected_symlinks': '0' }), verdict: 'fail' },
]);

const files = (fifos: string, regular: string): Partial<Facts> =>
  withSysctls({ 'fs.protected_fifos': fifos, 'fs.protected_regular': regular });
judgeNodes(t, checkOf('kernel.protected-files'), [
  { name: '1 and 2', facts: files('1', '2'), verdict: 'pass' },
  { name: '2 and 1', facts: files('2', '1'), verdict: 'pass' },
  { name: 'pipes open', facts: files('0', '2'), verdict: 'fail', seen: ['fs.protected_fifos = 0'] },
  {
    name: 'a kernel before 4.19',
    facts: {
      kernel: kernelFact({ sysctls: { 'fs.protected_fifos': absent('/f'), 'fs.protected_regular': absent('/r') } }),
    },
    verdict: 'notApplicable',
  },
]);

const dumps = (dumpable: string, pattern: string): Partial<Facts> =>
  withSysctls({ 'fs.suid_dumpable': dumpable, 'kernel.core_pattern': pattern });
judgeNodes(t, checkOf('kernel.suid-dumpable'), [
  { name: '0', facts: dumps('0', 'core'), verdict: 'pass' },
  { name: '1', facts: dumps('1', '|/usr/lib/systemd/systemd-coredump'), verdict: 'fail' },
  { name: '2 into a pipe', facts: dumps('2', '|/usr/lib/systemd/systemd-coredump %P'), verdict: 'pass' },
  { name: '2 into an absolute path', facts: dumps('2', '/var/crash/core.%p'), verdict: 'pass' },
  {
    name: '2 into the directory of the process',
    facts: dumps('2', 'core'),
    verdict: 'fail',
    seen: ['fs.suid_dumpable = 2', 'kernel.core_pattern = core'],
  },
  { name: '2 into who knows where', facts: withSysctls({ 'fs.suid_dumpable': '2' }), verdict: 'unknown' },
]);

const CONF = '/proc/sys/net/ipv4/conf';
const localnet = (...names: readonly string[]): Partial<Facts> => ({
  kernel: kernelFact({ routeLocalnet: seen(names, CONF) }),
});
// ip-sysctl.rst: the value of `all` and that of the interface are combined by OR; a new interface takes `default`.
judgeNodes(t, checkOf('kernel.route-localnet'), [
  { name: 'nowhere', facts: localnet(), verdict: 'pass' },
  { name: 'everywhere', facts: localnet('all'), verdict: 'fail', reason: /every interface/ },
  { name: 'one interface', facts: localnet('eth0'), verdict: 'fail', seen: ['1: eth0'] },
  { name: 'new ones', facts: localnet('default'), verdict: 'fail', reason: /are added/ },
  { name: 'no IPv4', facts: { kernel: kernelFact({ routeLocalnet: absent(CONF) }) }, verdict: 'notApplicable' },
  { name: 'unreadable', facts: { kernel: kernelFact({ routeLocalnet: unreadable(CONF, 'x') }) }, verdict: 'unknown' },
]);

const CORE_PATTERN = '/proc/sys/kernel/core_pattern';
const pattern = (
  value: string,
  helper: { path?: string; isMissing?: boolean; changeable?: string } = {},
  release = '6.12.9',
): Partial<Facts> => {
  const path = /^\|(\S+)/.exec(value)?.[1];
  return {
    kernel: kernelFact({
      release,
      sysctls: { 'kernel.core_pattern': seen(value, CORE_PATTERN) },
      coreHelper:
        path === undefined
          ? absent(CORE_PATTERN)
          : seen({ path, isMissing: false, changeable: '', ...helper }, CORE_PATTERN),
    }),
  };
};
judgeNodes(t, checkOf('kernel.core-pattern'), [
  { name: 'systemd', facts: pattern('|/usr/lib/systemd/systemd-coredump %P %u'), verdict: 'pass' },
  { name: 'Ubuntu', facts: pattern('|/usr/share/apport/apport -p%p'), verdict: 'pass' },
  { name: 'thrown away', facts: pattern('|/bin/false'), verdict: 'pass' },
  { name: 'absolute', facts: pattern('/var/lib/systemd/coredump/core.%e'), verdict: 'pass' },
  { name: 'the default of the kernel', facts: pattern('core'), verdict: 'fail', severity: 'low', seen: ['core'] },
  // How CVE-2022-0492 and privileged containers leave: a helper inside the file system of the container.
  {
    name: 'in a container',
    facts: pattern('|/var/lib/docker/overlay2/1f/diff/x.sh'),
    verdict: 'fail',
    severity: 'high',
  },
  { name: 'through /proc', facts: pattern('|/proc/%P/root/x'), verdict: 'fail', severity: 'high' },
  { name: 'climbing', facts: pattern('|/usr/../tmp/x'), verdict: 'fail', severity: 'high' },
  {
    name: 'a program of a package that everybody can change',
    facts: pattern('|/usr/local/lib/h', { changeable: '/usr/local/lib/h is writable by everybody' }),
    verdict: 'fail',
    severity: 'high',
    seen: ['|/usr/local/lib/h', '/usr/local/lib/h is writable by everybody'],
  },
  {
    name: 'a link into a container',
    facts: pattern('|/usr/lib/h', { path: '/var/lib/docker/overlay2/1f/diff/x.sh' }),
    verdict: 'fail',
    severity: 'high',
  },
  { name: 'it does not exist', facts: pattern('|/usr/lib/h', { isMissing: true }), verdict: 'pass' },
  {
    name: 'elsewhere, and a user can change it',
    facts: pattern('|/opt/site/h', { changeable: '/opt/site is writable by uid 1000' }),
    verdict: 'fail',
  },
  {
    name: 'not looked at',
    facts: { kernel: kernelFact({ sysctls: { 'kernel.core_pattern': seen('|/usr/lib/h', CORE_PATTERN) } }) },
    verdict: 'unknown',
  },
  { name: 'a coredump socket', facts: pattern('@/run/coredump.socket', {}, '6.18.1'), verdict: 'manual' },
  { name: 'with its protocol', facts: pattern('@@/run/coredump.socket', {}, '6.18.1'), verdict: 'manual' },
  {
    name: 'a file of that name',
    facts: pattern('@/run/coredump.socket', {}, '6.12.9'),
    verdict: 'fail',
    severity: 'low',
  },
  { name: 'of somebody', facts: pattern('|/opt/site/collect-core %p'), verdict: 'manual', reason: /helper program/ },
  { name: 'not read', facts: withSysctls({}), verdict: 'unknown' },
]);

const namespaces = (values: Sysctls): Partial<Facts> => {
  const all = {
    'user.max_user_namespaces': absent('/proc/sys/user/max_user_namespaces'),
    'kernel.unprivileged_userns_clone': absent('/proc/sys/kernel/unprivileged_userns_clone'),
    'kernel.apparmor_restrict_unprivileged_userns': absent('/proc/sys/kernel/apparmor_restrict_unprivileged_userns'),
    'kernel.apparmor_restrict_unprivileged_unconfined': absent(
      '/proc/sys/kernel/apparmor_restrict_unprivileged_unconfined',
    ),
  };
  return { kernel: kernelFact({ sysctls: { ...all, ...withSysctls(values).kernel?.sysctls } }) };
};
judgeNodes(t, checkOf('kernel.user-namespaces'), [
  { name: 'none at all', facts: namespaces({ 'user.max_user_namespaces': '0' }), verdict: 'pass' },
  {
    name: 'Debian',
    facts: namespaces({ 'user.max_user_namespaces': '63000', 'kernel.unprivileged_userns_clone': '0' }),
    verdict: 'pass',
  },
  {
    name: 'Ubuntu',
    facts: namespaces({
      'user.max_user_namespaces': '63000',
      'kernel.unprivileged_userns_clone': '1',
      'kernel.apparmor_restrict_unprivileged_userns': '1',
      'kernel.apparmor_restrict_unprivileged_unconfined': '1',
    }),
    verdict: 'pass',
  },
  // The values of Ubuntu 24.04: aa-exec changes to a profile that has them.
  {
    name: 'Ubuntu as it is shipped',
    facts: namespaces({
      'user.max_user_namespaces': '63000',
      'kernel.unprivileged_userns_clone': '1',
      'kernel.apparmor_restrict_unprivileged_userns': '1',
      'kernel.apparmor_restrict_unprivileged_unconfined': '0',
    }),
    verdict: 'fail',
    reason: /profile/,
  },
  {
    name: 'a kernel without that switch',
    facts: namespaces({ 'user.max_user_namespaces': '63000', 'kernel.apparmor_restrict_unprivileged_userns': '1' }),
    verdict: 'fail',
  },
  { name: 'open', facts: namespaces({ 'user.max_user_namespaces': '63000' }), verdict: 'fail' },
  { name: 'no user namespaces in this kernel', facts: namespaces({}), verdict: 'notApplicable' },
  { name: 'nothing was read', facts: withSysctls({}), verdict: 'unknown' },
]);

void t.test('forwarding is never judged: container nodes need it', (t) => {
  t.notOk([...checks.keys()].some((id) => /forward/.test(id)));
  t.end();
});
