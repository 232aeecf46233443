import { CRIO_SETTINGS } from '../../../posture/fact/crio.ts';
import type { Crio, CrioSettingName } from '../../../posture/fact/crio.ts';
import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import { clip } from '../clip.ts';
import { isTable, scalarText, stringsOf, tableIn } from '../containerd/config.ts';
import type { ConfigFile, Table } from '../containerd/config.ts';

/** How a setting is called on the command line and in the environment, where that does not follow from its key. */
const NAMES: Readonly<Partial<Record<CrioSettingName, readonly [flag: string, variable: string]>>> = {
  'api.stream_enable_tls': ['stream-enable-tls', 'CONTAINER_ENABLE_TLS'],
  'api.stream_tls_ca': ['stream-tls-ca', 'CONTAINER_TLS_CA'],
  'checkpoint_restore.container_level_enabled': [
    'checkpoint-restore-container-level-enabled',
    'CONTAINER_CHECKPOINT_RESTORE_CONTAINER_LEVEL_ENABLED',
  ],
  'image.insecure_registries': ['insecure-registry', 'CONTAINER_INSECURE_REGISTRY'],
  'network.network_dir': ['cni-config-dir', 'CONTAINER_CNI_CONFIG_DIR'],
  'network.plugin_dirs': ['cni-plugin-dir', 'CONTAINER_CNI_PLUGIN_DIR'],
};
/** Flags without a value, crio(8). */
const SWITCHES: ReadonlySet<string> = new Set([
  'add-inheritable-capabilities',
  'enable-criu-support',
  'enable-metrics',
  'enable-nri',
  'hostnetwork-disable-selinux',
  'no-pivot',
  'nri-disable-connections',
  'nri-enable-default-validator',
  'nri-validator-reject-custom-seccomp-adjustment',
  'nri-validator-reject-namespace-adjustment',
  'nri-validator-reject-oci-hook-adjustment',
  'nri-validator-reject-runtime-default-seccomp-adjustment',
  'nri-validator-reject-unconfined-seccomp-adjustment',
  'profile',
  'seccomp-use-default-when-empty',
  'selinux',
  'stream-enable-tls',
]);
/** Settings with several values: their flag may be given more than once. */
const LISTS: ReadonlySet<CrioSettingName> = new Set([
  'image.insecure_registries',
  'network.plugin_dirs',
  'runtime.additional_devices',
  'runtime.allowed_devices',
  'runtime.cdi_spec_dirs',
  'runtime.default_capabilities',
  'runtime.hooks_dir',
]);
/** Names of commands of the same program, which are no daemons: crio(8). */
export const CRIO_COMMANDS: readonly string[] = [
  'check',
  'complete',
  'config',
  'help',
  'man',
  'status',
  'version',
  'wipe',
];
const MAX_TEXT = 16_384;

/** Flag and variable of a setting. */
function namesOf(name: CrioSettingName): readonly [flag: string, variable: string] {
  const key = name.slice(name.lastIndexOf('.') + 1);
  return NAMES[name] ?? [key.replaceAll('_', '-'), `CONTAINER_${key.toUpperCase()}`];
}

/** Variables that CRI-O reads its settings from, and no others. */
export const CRIO_VARIABLES: readonly string[] = Object.freeze([
  'CONTAINER_CONFIG',
  'CONTAINER_CONFIG_DIR',
  ...CRIO_SETTINGS.map((name) => namesOf(name)[1]),
]);

/** What a process was started with. */
export interface Started {
  readonly flags: ReadonlyMap<string, readonly string[]>;
  /** Of {@link CRIO_VARIABLES}. */
  readonly variables: ReadonlyMap<string, string>;
}

/** Reads the command line (without the program) and `NAME=VALUE` entries of the environment. */
export function parseStarted(words: readonly string[], environment: readonly string[]): Started {
  const flags = new Map<string, string[]>();
  for (let index = 0; index < words.length; index += 1) {
    const match = /^--?([a-z][\w-]*)(?:=(.*))?$/s.exec(words[index] ?? '');
    const name = match?.[1];
    if (name === undefined) continue;
    const isSwitch = SWITCHES.has(name);
    const value = match?.[2] ?? (isSwitch ? 'true' : words[index + 1]) ?? '';
    if (match?.[2] === undefined && !isSwitch) index += 1;
    flags.set(name, [...(flags.get(name) ?? []), clip(value, MAX_TEXT)].slice(-64));
  }
  const known = new Set(CRIO_VARIABLES);
  const entries = environment.map((entry) => [entry.slice(0, entry.indexOf('=')), entry] as const);
  return {
    flags,
    variables: new Map(
      entries
        .filter(([name, entry]) => known.has(name) && entry.length > name.length + 1)
        .map(([name, entry]) => [name, clip(entry.slice(name.length + 1), MAX_TEXT)]),
    ),
  };
}

/** Is the process a command rather than the daemon? */
export function isCommand(words: readonly string[]): boolean {
  return words.some((word, index) => CRIO_COMMANDS.includes(word) && !(words[index - 1] ?? '').startsWith('-'));
}

/** A path of the configuration: by a flag (`--config`, `-c`), a variable, or the default. */
export function configuredPath({ flags, variables }: Started, name: 'config' | 'config-dir', preset: string): string {
  const short = name === 'config' ? 'c' : 'd';
  const variable = `CONTAINER_${name.toUpperCase().replace('-', '_')}`;
  return (flags.get(name) ?? flags.get(short))?.at(-1) ?? variables.get(variable) ?? preset;
}

/** What files, flags and environment together come to. */
export type Effective = Pick<Crio, 'settings' | 'runtimes' | 'workloadAnnotations'> & {
  /** Profiles by who uses them. */
  readonly handlerProfiles: ReadonlyMap<string, string>;
};

/**
 * Evaluates the files in the order in which CRI-O reads them, crio.conf(5) and crio.conf.d(5): a later value replaces an
 * earlier one, lists as a whole, handlers and workloads by name; variables beat files, and flags beat variables.
 */
export function evaluate(files: readonly ConfigFile[], started: Started, config: string): Effective {
  const settings: Record<string, Observed<string>> = {};
  for (const name of CRIO_SETTINGS) settings[name] = settingOf(files, started, name, config);
  const runtimes = tablesAt(files, ['crio', 'runtime', 'runtimes']);
  const workloads = tablesAt(files, ['crio', 'runtime', 'workloads']);
  const texts = (value: unknown): readonly string[] =>
    stringsOf(value)
      .slice(0, 64)
      .map((text) => clip(text, 256));
  return {
    settings,
    runtimes: seen(
      [...runtimes.tables].slice(0, 64).map(([name, table]) => ({
        name: clip(name, 256),
        path: textOf(table['runtime_path']),
        annotations: texts(table['allowed_annotations']),
      })),
      runtimes.source === '' ? config : runtimes.source,
    ),
    workloadAnnotations: seen(
      [...workloads.tables.values()].flatMap((table) => texts(table['allowed_annotations'])).slice(0, 256),
      workloads.source === '' ? config : workloads.source,
    ),
    handlerProfiles: new Map(
      [...runtimes.tables]
        .slice(0, 60)
        .map(([name, table]) => [clip(name, 256), textOf(table['seccomp_profile'])] as const)
        .filter(([, path]) => path !== ''),
    ),
  };
}

function settingOf(
  files: readonly ConfigFile[],
  { flags, variables }: Started,
  name: CrioSettingName,
  config: string,
): Observed<string> {
  const [flag, variable] = namesOf(name);
  const given = flags.get(flag);
  if (given !== undefined)
    return seen(clip(LISTS.has(name) ? given.join(',') : (given.at(-1) ?? ''), MAX_TEXT), `--${flag}`);
  const fromEnvironment = variables.get(variable);
  if (fromEnvironment !== undefined) return seen(fromEnvironment, variable);
  const place = ['crio', ...name.split('.')];
  const key = place.pop() ?? '';
  for (const { path, table } of files.toReversed()) {
    const value = tableIn(table, place)?.[key];
    if (value === undefined) continue;
    if (Array.isArray(value)) return seen(clip(stringsOf(value).join(','), MAX_TEXT), path);
    const text = scalarText(value);
    return text === undefined
      ? unreadable(path, `${key} has a type that is not expected`)
      : seen(clip(text, MAX_TEXT), path);
  }
  return absent(config);
}

/** The tables by name at a place, each from the last file that has it. */
function tablesAt(
  files: readonly ConfigFile[],
  place: readonly string[],
): { readonly tables: ReadonlyMap<string, Table>; readonly source: string } {
  const tables = new Map<string, Table>();
  let source = '';
  for (const { path, table } of files)
    for (const [name, value] of Object.entries(tableIn(table, place) ?? {}))
      if (isTable(value)) {
        tables.set(name, value);
        source = path;
      }
  return { tables, source };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? clip(value, 4096) : '';
}
