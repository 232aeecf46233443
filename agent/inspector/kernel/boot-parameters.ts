import { clip } from '../clip.ts';

/**
 * Parameters that decide about security, Documentation/admin-guide/kernel-parameters.txt. Others are not kept: a boot
 * loader can pass keys of disks and of installers on this line.
 */
const KEPT: ReadonlySet<string> = new Set([
  'apparmor',
  'audit',
  'bpf_jit_harden',
  'cgroup_no_v1',
  'debugfs',
  'enforcing',
  'gather_data_sampling',
  'hash_pointers',
  'ima_appraise',
  'ima_policy',
  'init',
  'init_on_alloc',
  'init_on_free',
  'intel_iommu',
  'amd_iommu',
  'iommu',
  'kpti',
  'kvm.nx_huge_pages',
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
  'nospectre_v1',
  'nospectre_v2',
  'page_alloc.shuffle',
  'page_poison',
  'page_table_check',
  'pti',
  'randomize_kstack_offset',
  'reg_file_data_sampling',
  'retbleed',
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
  'systemd.unified_cgroup_hierarchy',
  'tsx',
  'tsx_async_abort',
  'vsyscall',
]);

/**
 * `/proc/cmdline`: words split at spaces, `"` keeps spaces together, `name=value` or `name`. In names `-` and `_` are
 * the same; here they are written with `_`. A word that stands twice: the last counts. What follows `--` is for init.
 */
export function parseBootParameters(text: string): Readonly<Record<string, string>> {
  const parameters: Record<string, string> = {};
  for (const word of wordsOf(text.trim())) {
    if (word === '--') break;
    const equals = word.indexOf('=');
    const name = (equals === -1 ? word : word.slice(0, equals)).replaceAll('-', '_');
    if (KEPT.has(name)) parameters[name] = clip(equals === -1 ? '' : word.slice(equals + 1), 256);
  }
  return parameters;
}

function wordsOf(text: string): readonly string[] {
  const words: string[] = [];
  let word = '';
  let isQuoted = false;
  for (const character of text) {
    if (character === '"') isQuoted = !isQuoted;
    else if (!isQuoted && /\s/.test(character)) {
      if (word !== '') words.push(word);
      word = '';
    } else word += character;
  }
  if (word !== '') words.push(word);
  return words;
}
