import { observed, unreadable } from '../observed.ts';
import * as s from '../schema.ts';

/** The sysctls that the kernel fact holds. A check may name no other. */
export const SYSCTLS = [
  'dev.tty.ldisc_autoload',
  'dev.tty.legacy_tiocsti',
  'fs.protected_fifos',
  'fs.protected_hardlinks',
  'fs.protected_regular',
  'fs.protected_symlinks',
  'fs.suid_dumpable',
  'kernel.apparmor_restrict_unprivileged_unconfined',
  'kernel.apparmor_restrict_unprivileged_userns',
  'kernel.core_pattern',
  'kernel.dmesg_restrict',
  'kernel.io_uring_disabled',
  'kernel.kexec_load_disabled',
  'kernel.kptr_restrict',
  'kernel.keys.root_maxbytes',
  'kernel.keys.root_maxkeys',
  'kernel.modules_disabled',
  'kernel.panic',
  'kernel.panic_on_oops',
  'kernel.perf_event_paranoid',
  'kernel.pid_max',
  'kernel.randomize_va_space',
  'kernel.sysrq',
  'kernel.unprivileged_bpf_disabled',
  'kernel.unprivileged_userns_clone',
  'kernel.yama.ptrace_scope',
  'net.core.bpf_jit_harden',
  'user.max_user_namespaces',
  'vm.mmap_min_addr',
  'vm.overcommit_memory',
  'vm.panic_on_oom',
  'vm.unprivileged_userfaultfd',
] as const;
/** Paths that engines hide from containers, or mount read-only there, and that only some kernels have. */
export const MASKABLE_PATHS = ['/proc/kcore', '/proc/keys', '/proc/sysrq-trigger', '/proc/timer_list'] as const;

/** One of {@link SYSCTLS}. */
export type SysctlName = (typeof SYSCTLS)[number];

/** Part of a name: `eth0`, `route_localnet`. */
const SYSCTL_PART = /^[a-z0-9_][a-z0-9_@:-]*$/i;

/** Can this be the name of a sysctl, with its parts separated by points? No part leads out of `/proc/sys`. */
export function isSysctlName(name: string): boolean {
  const parts = name.split('.');
  return name.length <= 128 && parts.length >= 2 && parts.length <= 10 && parts.every((part) => SYSCTL_PART.test(part));
}

/**
 * Boot parameters that the kernel fact holds: those that decide about security,
 * Documentation/admin-guide/kernel-parameters.txt. Others are not kept: a boot loader can pass keys of disks and of
 * installers on this line.
 */
export const BOOT_PARAMETERS: readonly string[] = [
  'amd_iommu',
  'apparmor',
  'arm64.nobti',
  'arm64.nopauth',
  'audit',
  'bpf_jit_harden',
  'break',
  'cfi',
  'cgroup_no_v1',
  'clearcpuid',
  'debugfs',
  'enforcing',
  'gather_data_sampling',
  'hardened_usercopy',
  'hash_pointers',
  'ibt',
  'ima_appraise',
  'ima_policy',
  'indirect_target_selection',
  'init',
  'init_on_alloc',
  'init_on_free',
  'intel_iommu',
  'iomem',
  'iommu',
  'kpti',
  'kvm.nx_huge_pages',
  'kvm_intel.vmentry_l1d_flush',
  'l1tf',
  'lockdown',
  'lsm',
  'mds',
  'mitigations',
  'mmio_stale_data',
  'module.sig_enforce',
  'no_hash_pointers',
  'noexec',
  'noexec32',
  'nokaslr',
  'nopti',
  'norandmaps',
  'nosmap',
  'nosmep',
  'nosmt',
  'nospec_store_bypass_disable',
  'nospectre_bhb',
  'nospectre_v1',
  'nospectre_v2',
  'nouser_shstk',
  'page_alloc.shuffle',
  'page_poison',
  'page_table_check',
  'pti',
  'randomize_kstack_offset',
  'rd.break',
  'rd.systemd.debug_shell',
  'rdinit',
  'reg_file_data_sampling',
  'retbleed',
  'rodata',
  'security',
  'selinux',
  'slab_nomerge',
  'slub_debug',
  'spec_rstack_overflow',
  'spec_store_bypass_disable',
  'spectre_bhi',
  'spectre_v2',
  'spectre_v2_user',
  'srbds',
  'ssbd',
  'systemd.debug_shell',
  'systemd.unified_cgroup_hierarchy',
  'tsa',
  'tsx',
  'tsx_async_abort',
  'vmscape',
  'vsyscall',
];

/** The kernel's security state, from `/proc` and `/sys` only. */
export const kernelSchema = s.object(
  {
    release: s.string('`/proc/sys/kernel/osrelease`', 256),
    lsm: observed(s.list(s.string('', 64), '', 64), 'active security modules, `/sys/kernel/security/lsm`'),
    lockdown: observed(
      s.oneOf(['none', 'integrity', 'confidentiality']),
      'lockdown level, `/sys/kernel/security/lockdown`',
    ),
    selinux: observed(
      s.oneOf(['enforcing', 'permissive', 'disabled']),
      'SELinux mode that is in force, `/sys/fs/selinux/enforce`',
    ),
    selinuxConfigured: observed(s.string('', 64), 'mode after the next boot, `/etc/selinux/config`'),
    apparmor: observed(s.boolean(), 'is AppArmor on, `/sys/module/apparmor/parameters/enabled`'),
    apparmorProfiles: observed(
      s.list(
        s.object({ name: s.string('profile', 1024), mode: s.string('enforce, complain, unconfined …', 32) }),
        '',
        10_000,
      ),
      'loaded AppArmor profiles, `/sys/kernel/security/apparmor/profiles`',
    ),
    seccompActions: observed(
      s.list(s.string('', 64), '', 64),
      'seccomp actions of this kernel, `/proc/sys/kernel/seccomp/actions_avail`; absent: no seccomp',
    ),
    commandLine: observed(
      s.record(s.string('', 1024), '', 128, { collected: BOOT_PARAMETERS, onDemand: false }),
      'boot parameters that matter for security, `/proc/cmdline`; others are not kept, they may hold secrets',
    ),
    sysctls: s.record(
      observed(s.string('', 1024)),
      'live values by name, `kernel.kptr_restrict`; from `/proc/sys`; a query reads any other that it names',
      256,
      { collected: SYSCTLS, onDemand: true },
    ),
    cpuVulnerabilities: observed(
      s.record(s.string('', 1024), '', 256),
      'state by vulnerability, `/sys/devices/system/cpu/vulnerabilities`',
    ),
    tainted: observed(s.integer(), 'taint bits, `/proc/sys/kernel/tainted`'),
    secureBoot: observed(
      s.boolean(),
      'UEFI Secure Boot, and neither setup mode nor a shim that verifies nothing; absent on BIOS machines',
    ),
    moduleSignatureEnforced: observed(s.boolean(), '`/sys/module/module/parameters/sig_enforce`'),
    selinuxCheckreqprot: observed(
      s.boolean(),
      'true: programs choose which memory protection SELinux judges, `/sys/fs/selinux/checkreqprot`',
    ),
    imaMeasures: observed(
      s.boolean(),
      'does IMA measure files? More than the boot aggregate, `/sys/kernel/security/ima/runtime_measurements_count`',
    ),
    imaViolations: observed(
      s.integer(),
      'measurements of files that changed meanwhile, `/sys/kernel/security/ima/violations`',
    ),
    coreHelper: observed(
      s.object({
        path: s.string('the program, links followed; as in the pattern where it does not exist', 4096),
        isMissing: s.boolean('true if it does not exist'),
        changeable: s.string('who else than root can change the program or a directory above; empty: nobody', 1024),
      }),
      'program that the kernel runs for core dumps, `/proc/sys/kernel/core_pattern`; absent: none',
    ),
    routeLocalnet: observed(
      s.list(s.string('`eth0`; `all`: every interface; `default`: those that are added', 64), '', 64),
      'network interfaces whose packets may be for loopback addresses, `/proc/sys/net/ipv4/conf/*/route_localnet`; absent: no IPv4',
    ),
    capLastCap: observed(s.integer(), 'highest capability number, `/proc/sys/kernel/cap_last_cap`'),
    maskable: s.withDefault(
      observed(s.list(s.string('', 64), '', 16), 'paths that engines hide from containers and that this kernel has'),
      unreadable('/proc', 'not recorded'),
    ),
    cgroupVersion: observed(s.integer(), '1 or 2'),
  },
  "the kernel's security state",
);
/** See {@link kernelSchema}. */
export type KernelFact = s.Infer<typeof kernelSchema>;
