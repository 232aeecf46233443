import t from 'tap';
import { apparmorProfiles } from '../../../../posture/check/kernel/apparmor-profiles.ts';
import { parseBootParameters } from '../../../../agent/inspector/kernel/boot-parameters.ts';
import { bootParameters } from '../../../../posture/check/kernel/boot-parameters.ts';
import { cgroupVersion } from '../../../../posture/check/kernel/cgroup-version.ts';
import { cpuVulnerabilities } from '../../../../posture/check/kernel/cpu-vulnerabilities.ts';
import { landlock } from '../../../../posture/check/kernel/landlock.ts';
import { lockdown } from '../../../../posture/check/kernel/lockdown.ts';
import { mandatoryAccessControl } from '../../../../posture/check/kernel/mandatory-access-control.ts';
import { moduleSignatures } from '../../../../posture/check/kernel/module-signatures.ts';
import { seccomp } from '../../../../posture/check/kernel/seccomp.ts';
import { secureBoot } from '../../../../posture/check/kernel/secure-boot.ts';
import { selinuxEnforcing } from '../../../../posture/check/kernel/selinux-enforcing.ts';
import { tainted } from '../../../../posture/check/kernel/tainted.ts';
import type { Facts } from '../../../../posture/fact/facts.ts';
import type { KernelFact } from '../../../../posture/fact/kernel.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import { dockerFact, kernelFact } from '../../../fixture/facts.ts';
import { judgeNodes } from '../../../fixture/node-table.ts';

const kernel = (overrides: Partial<KernelFact>): Partial<Facts> => ({ kernel: kernelFact(overrides) });

const LSM = '/sys/kernel/security/lsm';
const lsm = (...names: string[]): KernelFact['lsm'] => seen(names, LSM);
const noSecurityfs = unreadable(LSM, 'securityfs is not mounted');

judgeNodes(t, mandatoryAccessControl, [
  // The list of a Debian 12, of a Fedora 40, and of a build machine without either.
  {
    name: 'AppArmor',
    facts: kernel({ lsm: lsm('lockdown', 'capability', 'landlock', 'yama', 'apparmor') }),
    verdict: 'pass',
  },
  { name: 'SELinux', facts: kernel({ lsm: lsm('lockdown', 'capability', 'yama', 'selinux', 'bpf') }), verdict: 'pass' },
  {
    name: 'neither',
    facts: kernel({}),
    verdict: 'fail',
    seen: ['lockdown, capability, landlock, bpf'],
    sources: [LSM],
  },
  {
    name: 'no securityfs',
    facts: kernel({ lsm: noSecurityfs }),
    verdict: 'unknown',
    reason: /securityfs is not mounted/,
  },
  {
    name: 'no such file proves nothing',
    facts: kernel({ lsm: absent(LSM) }),
    verdict: 'unknown',
    reason: /securityfs/,
  },
  {
    name: 'no securityfs, but the parameter of AppArmor says Y',
    facts: kernel({ lsm: noSecurityfs, apparmor: seen(true, '/sys/module/apparmor/parameters/enabled') }),
    verdict: 'pass',
  },
  {
    name: 'no securityfs, but selinuxfs',
    facts: kernel({ lsm: noSecurityfs, selinux: seen('enforcing', '/sys/fs/selinux/enforce') }),
    verdict: 'pass',
  },
]);

judgeNodes(t, landlock, [
  { name: 'there', facts: kernel({}), verdict: 'pass' },
  {
    name: 'not there',
    facts: kernel({ lsm: lsm('capability', 'apparmor') }),
    verdict: 'fail',
    seen: ['capability, apparmor'],
  },
  { name: 'no securityfs', facts: kernel({ lsm: noSecurityfs }), verdict: 'unknown' },
  { name: 'no list', facts: kernel({ lsm: absent(LSM) }), verdict: 'unknown' },
]);

const LOCKDOWN = '/sys/kernel/security/lockdown';
judgeNodes(t, lockdown, [
  {
    name: 'integrity',
    facts: kernel({ lockdown: seen('integrity', LOCKDOWN) }),
    verdict: 'pass',
    seen: ['[integrity]'],
  },
  { name: 'confidentiality', facts: kernel({ lockdown: seen('confidentiality', LOCKDOWN) }), verdict: 'pass' },
  { name: 'none', facts: kernel({ lockdown: seen('none', LOCKDOWN) }), verdict: 'fail', seen: ['[none]'] },
  { name: 'not built in', facts: kernel({ lockdown: absent(LOCKDOWN) }), verdict: 'fail' },
  { name: 'no securityfs', facts: kernel({ lockdown: absent(LOCKDOWN), lsm: noSecurityfs }), verdict: 'unknown' },
  {
    name: 'unreadable',
    facts: kernel({ lockdown: unreadable(LOCKDOWN, 'EACCES') }),
    verdict: 'unknown',
    reason: /EACCES/,
  },
]);

const ENFORCE = '/sys/fs/selinux/enforce';
const selinux = (
  mode: 'enforcing' | 'permissive' | 'disabled',
  configured: string,
  commandLine: Readonly<Record<string, string>> = {},
): Partial<Facts> =>
  kernel({
    lsm: lsm('capability', 'selinux'),
    selinux: seen(mode, ENFORCE),
    selinuxConfigured: seen(configured, '/etc/selinux/config'),
    commandLine: seen(commandLine, '/proc/cmdline'),
  });
judgeNodes(t, selinuxEnforcing, [
  { name: 'now and then', facts: selinux('enforcing', 'enforcing'), verdict: 'pass' },
  // A peer compares the mode with the file and finds permissive + permissive right.
  {
    name: 'permissive in both',
    facts: selinux('permissive', 'permissive'),
    verdict: 'fail',
    seen: ['permissive', 'SELINUX=permissive'],
    sources: [ENFORCE],
  },
  { name: 'setenforce 0', facts: selinux('permissive', 'enforcing'), verdict: 'fail' },
  { name: 'until the next boot', facts: selinux('enforcing', 'permissive'), verdict: 'fail', severity: 'medium' },
  {
    name: 'a boot parameter is against it',
    facts: selinux('enforcing', 'enforcing', { enforcing: '0' }),
    verdict: 'fail',
    severity: 'medium',
    seen: ['enforcing', 'enforcing=0'],
  },
  { name: 'not used', facts: kernel({}), verdict: 'notApplicable', reason: /not used/ },
  {
    name: 'AppArmor instead, with the configuration of SELinux lying about',
    facts: kernel({
      lsm: lsm('capability', 'apparmor'),
      selinuxConfigured: seen('disabled', '/etc/selinux/config'),
    }),
    verdict: 'notApplicable',
  },
  {
    name: 'meant to be, but is not',
    facts: kernel({ selinuxConfigured: seen('enforcing', '/etc/selinux/config') }),
    verdict: 'fail',
  },
  {
    name: 'active, its file system not visible',
    facts: kernel({ lsm: lsm('capability', 'selinux') }),
    verdict: 'unknown',
    reason: /selinuxfs/,
  },
  { name: 'unreadable', facts: kernel({ selinux: unreadable(ENFORCE, 'EACCES') }), verdict: 'unknown' },
]);

const PROFILES = '/sys/kernel/security/apparmor/profiles';
const apparmor = (...profiles: (readonly [string, string])[]): Partial<KernelFact> => ({
  apparmor: seen(true, '/sys/module/apparmor/parameters/enabled'),
  apparmorProfiles: seen(
    profiles.map(([name, mode]) => ({ name, mode })),
    PROFILES,
  ),
});
judgeNodes(t, apparmorProfiles, [
  {
    name: 'Docker',
    facts: kernel(apparmor(['docker-default', 'enforce'], ['man_filter', 'complain'])),
    verdict: 'pass',
  },
  { name: 'containerd', facts: kernel(apparmor(['cri-containerd.apparmor.d', 'enforce'])), verdict: 'pass' },
  {
    name: 'complaining only',
    facts: kernel(apparmor(['docker-default', 'complain'])),
    verdict: 'fail',
    seen: ['docker-default (complain)'],
  },
  { name: 'policy, but not for containers', facts: kernel(apparmor(['/usr/sbin/cupsd', 'enforce'])), verdict: 'fail' },
  {
    name: 'no runtime here',
    facts: {
      kernel: kernelFact(apparmor(['/usr/sbin/cupsd', 'enforce'])),
      docker: dockerFact({ present: absent('/var/run/docker.sock') }),
    },
    verdict: 'notApplicable',
  },
  { name: 'no AppArmor', facts: kernel({}), verdict: 'notApplicable' },
  {
    name: 'off',
    facts: kernel({ apparmor: seen(false, '/sys/module/apparmor/parameters/enabled') }),
    verdict: 'notApplicable',
  },
  {
    name: 'not root',
    facts: kernel({ ...apparmor(), apparmorProfiles: unreadable(PROFILES, 'permission denied (EACCES)') }),
    verdict: 'unknown',
    reason: /EACCES/,
  },
]);

const ACTIONS = '/proc/sys/kernel/seccomp/actions_avail';
judgeNodes(t, seccomp, [
  { name: 'all actions', facts: kernel({}), verdict: 'pass' },
  { name: 'none', facts: kernel({ seccompActions: absent(ACTIONS) }), verdict: 'fail' },
  {
    name: 'strict mode only',
    facts: kernel({ seccompActions: seen(['kill_thread', 'allow'], ACTIONS) }),
    verdict: 'fail',
  },
  { name: 'unreadable', facts: kernel({ seccompActions: unreadable(ACTIONS, 'EACCES') }), verdict: 'unknown' },
]);

const CMDLINE = '/proc/cmdline';
const boot = (parameters: Readonly<Record<string, string>>, modules?: KernelFact['lsm']): Partial<Facts> =>
  kernel({ commandLine: seen(parameters, CMDLINE), ...(modules === undefined ? {} : { lsm: modules }) });
judgeNodes(t, bootParameters, [
  { name: 'nothing of note', facts: boot({}), verdict: 'pass' },
  {
    name: 'hardened',
    facts: boot({ mitigations: 'auto,nosmt', audit: '1', 'module.sig_enforce': '1' }),
    verdict: 'pass',
  },
  ...(
    [
      ['mitigations', 'off'],
      ['mitigations', 'off,nosmt'],
      ['nokaslr', ''],
      ['apparmor', '0'],
      ['selinux', '0'],
      ['audit', '0'],
      ['module.sig_enforce', '0'],
      ['init', '/bin/sh'],
    ] as const
  ).map(([name, value]) => ({
    name: `${name}=${value}`,
    facts: boot({ [name]: value }),
    verdict: 'fail' as const,
    sources: [CMDLINE],
  })),
  { name: 'systemd as init', facts: boot({ init: '/usr/lib/systemd/systemd' }), verdict: 'pass' },
  { name: 'two at once', facts: boot({ nokaslr: '', audit: '0' }), verdict: 'fail', seen: ['nokaslr, audit=0'] },
  {
    name: 'SELinux off where AppArmor is on',
    facts: boot({ selinux: '0' }, lsm('capability', 'apparmor')),
    verdict: 'pass',
  },
  { name: 'unreadable', facts: kernel({ commandLine: unreadable(CMDLINE, 'EACCES') }), verdict: 'unknown' },
]);

/** A whole command line on a kernel. */
const started = (words: string, fact: Partial<KernelFact> = {}): Partial<Facts> =>
  kernel({
    commandLine: seen(parseBootParameters(`BOOT_IMAGE=/vmlinuz root=/dev/sda2 ro ${words}\n`), CMDLINE),
    ...fact,
  });
const CPU = '/sys/devices/system/cpu/vulnerabilities';
const on = (release: string): Partial<KernelFact> => ({ release });
const says = (file: string, line: string): Partial<KernelFact> => ({ cpuVulnerabilities: seen({ [file]: line }, CPU) });
// Documentation/admin-guide/kernel-parameters.txt of Linux 6.18; what earlier releases knew, of 5.1 and 5.18.
const LINES: readonly (readonly [words: string, verdict: 'pass' | 'fail' | 'unknown', fact?: Partial<KernelFact>])[] = [
  ['nosmep', 'fail', on('5.15.0-119-generic')],
  ['nosmap', 'fail', on('5.18.0')],
  ['noexec=off', 'fail', on('5.10.0-28-amd64')],
  ['nosmep nosmap noexec=off', 'pass', on('6.18.44')],
  ['nosmep', 'fail', on('')],
  ['vsyscall=native', 'fail', on('4.18.0-513.el8')],
  ['vsyscall=native', 'pass', on('6.18.44')],
  ['rodata=off', 'fail'],
  ['rodata=on', 'pass'],
  ['hardened_usercopy=off', 'fail'],
  ['hardened-usercopy=0', 'fail'],
  ['hardened_usercopy=on', 'pass'],
  ['clearcpuid=smep,smap', 'fail'],
  ['clearcpuid=avx,308', 'fail'],
  ['clearcpuid=avx,156', 'pass'],
  [`clearcpuid=${Array.from({ length: 60 }, (_, index) => String(index)).join()},295`, 'fail'],
  ['ibt=off', 'fail'],
  ['ibt=warn', 'pass'],
  ['nouser_shstk', 'fail'],
  ['cfi=off', 'fail'],
  ['init_on_alloc=0', 'fail'],
  ['init_on_alloc=1', 'pass'],
  ['randomize_kstack_offset=off', 'fail'],
  ['iommu=off', 'fail'],
  ['intel_iommu=on,sm_off', 'pass'],
  ['intel_iommu=off', 'fail'],
  ['iomem=relaxed', 'fail'],
  ['no_hash_pointers', 'fail'],
  ['"mitigations=auto;no_user_kernel"', 'fail', on('6.18.44')],
  ['mitigations=auto;no_guest_host', 'fail', on('6.18.44')],
  // Linux before 6.17 complains and keeps the default.
  ['mitigations=auto;no_user_kernel', 'pass', on('6.12.9')],
  ['mitigations=auto,nosmt', 'pass', on('6.18.44')],
  ['mitigations=off mitigations=auto', 'pass'],
  ['quiet -- init=/bin/sh mitigations=off', 'pass'],
  ['systemd.debug_shell', 'fail'],
  ['systemd.debug-shell=1', 'fail'],
  ['systemd.debug_shell=0', 'pass'],
  ['rd.break', 'fail'],
  ['rd.break=pre-mount', 'fail'],
  ['break=premount', 'fail'],
  ['rdinit=/bin/sh', 'fail'],
  ['rdinit=/init', 'pass'],
  ['security=none', 'fail'],
  ['security=selinux', 'pass', { lsm: lsm('capability', 'selinux') }],
  ['security=none', 'pass', { lsm: lsm('capability', 'apparmor') }],
  ['lsm=landlock,yama,bpf', 'fail'],
  ['lsm=landlock,lockdown,yama,apparmor', 'pass', { lsm: lsm('capability', 'apparmor') }],
  ['spectre_v2=off', 'fail', says('spectre_v2', 'Vulnerable; IBPB: disabled; STIBP: disabled; BHI: Vulnerable')],
  ['spectre_v2=off', 'pass', says('spectre_v2', 'Not affected')],
  ['nospectre_v2', 'fail', says('spectre_v2', 'Vulnerable')],
  ['nospectre_v1', 'fail', says('spectre_v1', 'Vulnerable: __user pointer sanitization and usercopy barriers only')],
  ['spectre_bhi=off', 'fail', says('spectre_v2', 'Mitigation: Enhanced IBRS; BHI: Vulnerable')],
  ['spec_store_bypass_disable=off', 'fail', says('spec_store_bypass', 'Vulnerable')],
  ['nospec_store_bypass_disable', 'fail', says('spec_store_bypass', 'Vulnerable')],
  ['l1tf=off', 'fail', says('l1tf', 'Mitigation: PTE Inversion; VMX: vulnerable')],
  ['kvm-intel.vmentry_l1d_flush=never', 'fail', says('l1tf', 'Mitigation: PTE Inversion; VMX: vulnerable')],
  ['kvm.nx_huge_pages=off', 'fail', says('itlb_multihit', 'KVM: Vulnerable')],
  ['retbleed=off,nosmt', 'fail', says('retbleed', 'Vulnerable')],
  ['mds=off', 'fail', says('mds', 'Vulnerable; SMT vulnerable')],
  // TAA keeps the instruction that both need, mds.rst.
  ['mds=off', 'pass', says('mds', 'Mitigation: Clear CPU buffers; SMT vulnerable')],
  ['vmscape=off', 'pass', says('meltdown', 'Not affected')],
  ['retbleed=off', 'unknown', { cpuVulnerabilities: unreadable(CPU, 'EACCES') }],
  ['retbleed=off nokaslr', 'fail', { cpuVulnerabilities: unreadable(CPU, 'EACCES') }],
];
judgeNodes(
  t,
  bootParameters,
  LINES.map(([words, verdict, fact]) => ({
    name: `${words} ${fact === undefined ? '' : JSON.stringify(fact)}`,
    facts: started(words, fact),
    verdict,
  })),
);

const cpu = (lines: Readonly<Record<string, string>>): Partial<Facts> =>
  kernel({ cpuVulnerabilities: seen(lines, CPU) });
// Texts of Documentation/admin-guide/hw-vuln/*.rst and of arch/x86/kernel/cpu/bugs.c.
judgeNodes(t, cpuVulnerabilities, [
  {
    name: 'mitigated',
    facts: cpu({
      meltdown: 'Not affected',
      spectre_v1: 'Mitigation: usercopy/swapgs barriers and __user pointer sanitization',
      spectre_v2: 'Mitigation: Enhanced IBRS; IBPB: conditional; RSB filling; PBRSB-eIBRS: SW sequence; BHI: BHI_DIS_S',
    }),
    verdict: 'pass',
    seen: ['3 entries, none vulnerable'],
  },
  {
    name: 'one is not',
    facts: cpu({ retbleed: 'Vulnerable', meltdown: 'Not affected' }),
    verdict: 'fail',
    seen: ['Vulnerable'],
    sources: [`${CPU}/retbleed`],
  },
  {
    name: 'no microcode',
    facts: cpu({ mds: 'Vulnerable: Clear CPU buffers attempted, no microcode; SMT vulnerable' }),
    verdict: 'fail',
  },
  { name: 'old microcode', facts: cpu({ old_microcode: 'Vulnerable' }), verdict: 'fail' },
  {
    name: 'mitigated, but not against a sibling thread',
    facts: cpu({ mds: 'Mitigation: Clear CPU buffers; SMT vulnerable' }),
    verdict: 'fail',
    severity: 'low',
  },
  {
    name: 'a clause',
    facts: cpu({ spectre_v2: 'Mitigation: Retpolines; STIBP: disabled; RSB filling; BHI: Vulnerable' }),
    verdict: 'fail',
    severity: 'low',
  },
  { name: 'KVM only', facts: cpu({ itlb_multihit: 'KVM: Vulnerable' }), verdict: 'fail', severity: 'low' },
  {
    name: 'unknown to the kernel',
    facts: cpu({ gather_data_sampling: 'Unknown: Dependent on hypervisor status' }),
    verdict: 'unknown',
  },
  {
    name: 'a guest cannot see its siblings',
    facts: cpu({ mds: 'Mitigation: Clear CPU buffers; SMT Host state unknown' }),
    verdict: 'pass',
  },
  // The worst of all decides.
  { name: 'unknown beside vulnerable', facts: cpu({ a: 'Unknown: No mitigations', b: 'Vulnerable' }), verdict: 'fail' },
  { name: 'none of them', facts: cpu({}), verdict: 'unknown' },
  { name: 'an old kernel', facts: kernel({ cpuVulnerabilities: absent(CPU) }), verdict: 'unknown' },
  { name: 'unreadable', facts: kernel({ cpuVulnerabilities: unreadable(CPU, 'EACCES') }), verdict: 'unknown' },
]);

const ENFORCED = '/sys/module/module/parameters/sig_enforce';
const DISABLED = '/proc/sys/kernel/modules_disabled';
const modules = (
  level: 'none' | 'integrity',
  enforced: KernelFact['moduleSignatureEnforced'],
  disabled: KernelFact['sysctls'][string] = seen('0', DISABLED),
): Partial<Facts> =>
  kernel({
    lockdown: seen(level, LOCKDOWN),
    moduleSignatureEnforced: enforced,
    sysctls: { 'kernel.modules_disabled': disabled },
  });
judgeNodes(t, moduleSignatures, [
  { name: 'enforced', facts: modules('none', seen(true, ENFORCED)), verdict: 'pass', seen: ['Y'] },
  { name: 'by lockdown', facts: modules('integrity', seen(false, ENFORCED)), verdict: 'pass', seen: ['[integrity]'] },
  { name: 'no more modules', facts: modules('none', seen(false, ENFORCED), seen('1', DISABLED)), verdict: 'pass' },
  { name: 'not enforced', facts: modules('none', seen(false, ENFORCED)), verdict: 'fail', seen: ['N'] },
  { name: 'built without signatures', facts: modules('none', absent(ENFORCED)), verdict: 'fail' },
  {
    name: 'built without modules',
    facts: modules('none', absent(ENFORCED), absent(DISABLED)),
    verdict: 'notApplicable',
  },
  { name: 'unreadable', facts: modules('none', unreadable(ENFORCED, 'EACCES')), verdict: 'unknown' },
  {
    name: 'lockdown might enforce it, but cannot be seen',
    facts: kernel({
      lockdown: unreadable(LOCKDOWN, 'securityfs is not mounted'),
      moduleSignatureEnforced: seen(false, ENFORCED),
      sysctls: { 'kernel.modules_disabled': seen('0', DISABLED) },
    }),
    verdict: 'unknown',
    reason: /securityfs/,
  },
]);

const EFI = '/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c';
judgeNodes(t, secureBoot, [
  { name: 'on', facts: kernel({ secureBoot: seen(true, EFI) }), verdict: 'pass' },
  { name: 'off', facts: kernel({ secureBoot: seen(false, EFI) }), verdict: 'fail', seen: ['SecureBoot 0'] },
  {
    name: 'shim verifies nothing',
    facts: kernel({ secureBoot: seen(false, '/sys/firmware/efi/efivars/MokSBStateRT-605dab50') }),
    verdict: 'fail',
    seen: ['MokSBStateRT 1'],
  },
  {
    name: 'setup mode',
    facts: kernel({ secureBoot: seen(false, '/sys/firmware/efi/efivars/SetupMode-8be4df61') }),
    verdict: 'fail',
    seen: ['SetupMode 1'],
  },
  { name: 'BIOS', facts: kernel({}), verdict: 'notApplicable' },
  { name: 'unreadable', facts: kernel({ secureBoot: unreadable(EFI, 'EACCES') }), verdict: 'unknown' },
]);

const TAINTED = '/proc/sys/kernel/tainted';
const taint = (bits: number): Partial<Facts> => kernel({ tainted: seen(bits, TAINTED) });
// Bits by tainted-kernels.rst: G/P 1, F 2, D 128, W 512, O 4096, E 8192.
judgeNodes(t, tainted, [
  { name: 'clean', facts: taint(0), verdict: 'pass', seen: ['0'] },
  { name: 'a warning and an oops are no foreign code', facts: taint(512 + 128), verdict: 'pass' },
  {
    name: 'O',
    facts: taint(4096),
    verdict: 'fail',
    seen: ['4096 (O: a module from outside the kernel tree was loaded)'],
  },
  { name: 'nvidia without a signature', facts: taint(1 + 4096 + 8192), verdict: 'fail' },
  { name: 'forced', facts: taint(2), verdict: 'fail' },
  { name: 'bits beyond 32', facts: taint(2 ** 40 + 8192), verdict: 'fail' },
  { name: 'unreadable', facts: kernel({ tainted: unreadable(TAINTED, 'EACCES') }), verdict: 'unknown' },
]);

judgeNodes(t, cgroupVersion, [
  { name: '2', facts: kernel({ cgroupVersion: seen(2, '/sys/fs/cgroup') }), verdict: 'pass' },
  { name: '1', facts: kernel({}), verdict: 'fail', severity: 'low', seen: ['version 1'] },
  { name: 'unreadable', facts: kernel({ cgroupVersion: unreadable('/sys/fs/cgroup', 'EACCES') }), verdict: 'unknown' },
]);
