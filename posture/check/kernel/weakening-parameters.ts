import type { KernelFact } from '../../fact/kernel.ts';

/** A boot parameter that switches a protection off, by Documentation/admin-guide/kernel-parameters.txt. */
interface Weakening {
  readonly name: string;
  /** Which values do. */
  readonly when: (value: string) => boolean;
  /** The first release that no longer knows the parameter, or that first knows it. */
  readonly until?: readonly [major: number, minor: number];
  readonly since?: readonly [major: number, minor: number];
  /** The file in /sys/devices/system/cpu/vulnerabilities that says what became of it. */
  readonly shownIn?: string;
  /** Other mitigations do the same work: it is off only where the file says so. */
  readonly isShared?: true;
}

/** Whatever its value is. */
const present = (): boolean => true;
/** kstrtobool of the kernel: its first letters decide. */
const no = (value: string): boolean => /^(?:[nf0]|of)/i.test(value);
/** One of the words of a list. */
const word =
  (...words: readonly string[]) =>
  (value: string): boolean =>
    value.split(/[,;]/).some((each) => words.includes(each.toLowerCase()));

/**
 * Features of x86 processors that protect the kernel or processes, by their names in /proc/cpuinfo and by the numbers
 * that arch/x86/include/asm/cpufeatures.h gives them: word * 32 + bit.
 */
const PROTECTIVE_FEATURES = word(
  'nx',
  'smep',
  'smap',
  'umip',
  'ibt',
  'shstk',
  'user_shstk',
  ...[32 + 20, 9 * 32 + 7, 9 * 32 + 20, 16 * 32 + 2, 18 * 32 + 20, 16 * 32 + 7].map(String),
);

const WEAKENING: readonly Weakening[] = [
  { name: 'mitigations', when: word('off') },
  { name: 'mitigations', when: (value) => /[;,]no_(?:user|guest)_/.test(value), since: [6, 17] },
  { name: 'nokaslr', when: present },
  { name: 'norandmaps', when: present },
  { name: 'nosmep', when: present, until: [5, 19] },
  { name: 'nosmap', when: present, until: [5, 19] },
  { name: 'noexec', when: word('off'), until: [5, 19] },
  { name: 'clearcpuid', when: PROTECTIVE_FEATURES },
  { name: 'nopti', when: present },
  { name: 'pti', when: word('off') },
  { name: 'audit', when: word('0', 'off') },
  { name: 'module.sig_enforce', when: word('0') },
  { name: 'rodata', when: word('off') },
  { name: 'hardened_usercopy', when: no },
  { name: 'ibt', when: word('off') },
  { name: 'nouser_shstk', when: present },
  { name: 'cfi', when: word('off') },
  { name: 'arm64.nobti', when: present },
  { name: 'arm64.nopauth', when: present },
  { name: 'init_on_alloc', when: no },
  { name: 'randomize_kstack_offset', when: no },
  { name: 'no_hash_pointers', when: present },
  { name: 'hash_pointers', when: word('never') },
  { name: 'iomem', when: word('relaxed') },
  { name: 'iommu', when: word('off') },
  { name: 'intel_iommu', when: word('off') },
  { name: 'amd_iommu', when: word('off') },
  { name: 'vsyscall', when: word('native'), until: [5, 2] },
  // A shell of root on the console, without a password.
  { name: 'init', when: isShell },
  { name: 'rdinit', when: isShell },
  { name: 'systemd.debug_shell', when: (value) => !no(value) },
  { name: 'rd.systemd.debug_shell', when: (value) => !no(value) },
  { name: 'rd.break', when: present },
  { name: 'break', when: present },
  // Mitigations in the processor one by one.
  { name: 'kpti', when: no, shownIn: 'meltdown' },
  { name: 'nospectre_v1', when: present, shownIn: 'spectre_v1' },
  { name: 'nospectre_v2', when: present, shownIn: 'spectre_v2' },
  { name: 'nospectre_bhb', when: present, shownIn: 'spectre_v2' },
  { name: 'spectre_v2', when: word('off'), shownIn: 'spectre_v2' },
  { name: 'spectre_v2_user', when: word('off'), shownIn: 'spectre_v2' },
  { name: 'spectre_bhi', when: word('off'), shownIn: 'spectre_v2' },
  { name: 'nospec_store_bypass_disable', when: present, shownIn: 'spec_store_bypass' },
  { name: 'spec_store_bypass_disable', when: word('off'), shownIn: 'spec_store_bypass' },
  { name: 'ssbd', when: word('force-off'), shownIn: 'spec_store_bypass' },
  { name: 'l1tf', when: word('off'), shownIn: 'l1tf' },
  { name: 'kvm_intel.vmentry_l1d_flush', when: word('never'), shownIn: 'l1tf' },
  { name: 'kvm.nx_huge_pages', when: no, shownIn: 'itlb_multihit' },
  { name: 'retbleed', when: word('off'), shownIn: 'retbleed' },
  { name: 'spec_rstack_overflow', when: word('off'), shownIn: 'spec_rstack_overflow' },
  { name: 'gather_data_sampling', when: word('off'), shownIn: 'gather_data_sampling' },
  { name: 'srbds', when: word('off'), shownIn: 'srbds' },
  { name: 'indirect_target_selection', when: word('off'), shownIn: 'indirect_target_selection' },
  { name: 'tsa', when: word('off'), shownIn: 'tsa' },
  { name: 'vmscape', when: word('off'), shownIn: 'vmscape' },
  // One instruction (VERW) is the mitigation of these: the kernel omits it where all of them are off.
  { name: 'mds', when: word('off'), shownIn: 'mds', isShared: true },
  { name: 'tsx_async_abort', when: word('off'), shownIn: 'tsx_async_abort', isShared: true },
  { name: 'mmio_stale_data', when: word('off'), shownIn: 'mmio_stale_data', isShared: true },
  { name: 'reg_file_data_sampling', when: word('off'), shownIn: 'reg_file_data_sampling', isShared: true },
];

const SHELLS: ReadonlySet<string> = new Set(['sh', 'bash', 'dash', 'ash', 'zsh', 'ksh', 'busybox']);

function isShell(program: string): boolean {
  return SHELLS.has(program.slice(program.lastIndexOf('/') + 1));
}

/** Boot parameters, as written, that switched a protection off, and those whose effect is unknown. */
export interface Weakened {
  readonly off: readonly string[];
  readonly undecided: readonly string[];
}

/** Reads the parameters as the running kernel does; one that it does not know changes nothing. */
export function weakenedBy(
  parameters: Readonly<Record<string, string>>,
  { release, cpuVulnerabilities }: Pick<KernelFact, 'release' | 'cpuVulnerabilities'>,
): Weakened {
  const off: string[] = [];
  const undecided: string[] = [];
  for (const { name, when, until, since, shownIn, isShared } of WEAKENING) {
    if (!Object.hasOwn(parameters, name) || !isKnown(release, since, until)) continue;
    const value = parameters[name] ?? '';
    if (!when(value)) continue;
    const text = value === '' ? name : `${name}=${value}`;
    if (shownIn === undefined) off.push(text);
    else if (cpuVulnerabilities.state !== 'seen') undecided.push(text);
    // A vulnerability that the kernel has no file for, or that this processor does not have, needs no mitigation.
    else if (isOpen(cpuVulnerabilities.value[shownIn] ?? 'Not affected', isShared === true)) off.push(text);
  }
  return { off, undecided };
}

function isOpen(line: string, isShared: boolean): boolean {
  if (/^not affected\b/i.test(line.trim())) return false;
  return !isShared || /^vulnerable\b/i.test(line.trim());
}

/** Does a kernel of this release know it? Where the release cannot be read, it does. */
function isKnown(release: string, since: Weakening['since'], until: Weakening['until']): boolean {
  const [, major = '', minor = ''] = /^(\d{1,4})\.(\d{1,4})/.exec(release) ?? [];
  if (major === '') return true;
  const isBefore = ([first, second]: readonly [number, number]): boolean =>
    Number(major) < first || (Number(major) === first && Number(minor) < second);
  return (since === undefined || !isBefore(since)) && (until === undefined || isBefore(until));
}
