import { parse } from 'smol-toml';
import { CONTAINERD_SETTINGS } from '../../../posture/fact/containerd.ts';
import type { ContainerdDaemon, ContainerdSettingName } from '../../../posture/fact/containerd.ts';
import { absent, mapObserved, seen, unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import { clip } from '../clip.ts';

/** One table of TOML. */
export type Table = Readonly<Record<string, unknown>>;

/** A file of the configuration that was read, in the order in which containerd reads them. */
export interface ConfigFile {
  readonly path: string;
  readonly table: Table;
}

/** Bounds of lists of plugins. */
const MAX_PROXIES = 64;
const MAX_DISABLED = 256;

/** The tables that hold a setting, by version of the file: containerd docs/cri/config.md. */
type Place = readonly string[];
interface Placement {
  readonly key: string;
  /** The key since version 3, where it is another. */
  readonly newKey?: string;
  readonly v2: Place;
  readonly v3: Place;
  readonly v4: Place;
}

const CRI = 'io.containerd.grpc.v1.cri';
const RUNTIME = 'io.containerd.cri.v1.runtime';
const IMAGES = 'io.containerd.cri.v1.images';
const NRI = 'io.containerd.nri.v1.nri';
const SERVER = 'io.containerd.server.v1';

const top = (name: string, key: string, server = name): Placement => ({
  key,
  v2: [name],
  v3: [name],
  v4: ['plugins', `${SERVER}.${server}`],
});
const cri = (key: string, v3: Place = ['plugins', RUNTIME], v2: Place = ['plugins', CRI]): Placement => ({
  key,
  v2,
  v3,
  v4: v3,
});

const nri = (key: string, ...below: Place): Placement => {
  const place = ['plugins', NRI, ...below];
  return { key, v2: place, v3: place, v4: place };
};

const PLACES: Readonly<Record<ContainerdSettingName, Placement>> = {
  'cri.default_runtime_name': cri(
    'default_runtime_name',
    ['plugins', RUNTIME, 'containerd'],
    ['plugins', CRI, 'containerd'],
  ),
  'cri.device_ownership_from_security_context': cri('device_ownership_from_security_context'),
  'cri.disable_apparmor': cri('disable_apparmor'),
  'cri.disable_tcp_service': cri('disable_tcp_service', ['plugins', CRI]),
  'cri.enable_selinux': cri('enable_selinux'),
  'cri.enable_tls_streaming': cri('enable_tls_streaming', ['plugins', CRI]),
  'cri.ignore_image_defined_volumes': cri('ignore_image_defined_volumes'),
  'cri.sandbox_image': {
    ...cri('sandbox_image', ['plugins', IMAGES, 'pinned_images'], ['plugins', CRI]),
    newKey: 'sandbox',
  },
  'cri.stream_server_address': cri('stream_server_address', ['plugins', CRI]),
  'cri.unset_seccomp_profile': cri('unset_seccomp_profile'),
  'debug.address': top('debug', 'address'),
  'debug.level': top('debug', 'level'),
  'grpc.gid': top('grpc', 'gid'),
  'grpc.tcp_address': { ...top('grpc', 'tcp_address', 'grpc-tcp'), key: 'tcp_address' },
  'grpc.tcp_tls_ca': top('grpc', 'tcp_tls_ca', 'grpc-tcp'),
  'metrics.address': top('metrics', 'address'),
  'nri.default_validator.enable': nri('enable', 'default_validator'),
  'nri.default_validator.reject_namespace_adjustment': nri('reject_namespace_adjustment', 'default_validator'),
  'nri.default_validator.reject_oci_hook_adjustment': nri('reject_oci_hook_adjustment', 'default_validator'),
  'nri.default_validator.reject_runtime_default_seccomp_adjustment': nri(
    'reject_runtime_default_seccomp_adjustment',
    'default_validator',
  ),
  'nri.default_validator.reject_unconfined_seccomp_adjustment': nri(
    'reject_unconfined_seccomp_adjustment',
    'default_validator',
  ),
  'nri.disable': nri('disable'),
  'nri.disable_connections': nri('disable_connections'),
  'registry.config_path': cri('config_path', ['plugins', IMAGES, 'registry'], ['plugins', CRI, 'registry']),
};
/** Keys that are called otherwise in version 4, where the table says what they are about. */
const V4_KEYS: Readonly<Record<string, string>> = { tcp_address: 'address', tcp_tls_ca: 'tls_ca' };

/** The table of a TOML file; undefined: it is not valid. The error is not kept, since it quotes the file. */
export function parseToml(text: string): Table | undefined {
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}

/** `version` of the main file: 1 where it says nothing. */
export function versionOf(table: Table): number {
  const version = table['version'];
  return typeof version === 'number' && Number.isSafeInteger(version) ? version : 1;
}

/** Names of files that a file imports, with wildcards. */
export function importsOf(table: Table): readonly string[] {
  return stringsOf(table['imports']);
}

/** What the files together come to, for the parts that checks judge. */
export type Effective = Pick<
  ContainerdDaemon,
  'hasCri' | 'settings' | 'runtimes' | 'proxyPlugins' | 'disabledPlugins'
> & {
  readonly registry: Observed<Table>;
  /** Directories from which programs and hooks are taken, as far as the configuration names them. */
  readonly programDirectories: Observed<readonly string[]>;
  /** Directory of NRI plugins, `plugin_path`; absent: the default one. */
  readonly nriDirectory: Observed<string>;
};

/** Evaluates the files in order: a later one replaces a whole table of a plugin (containerd 1.x to 2.1). */
export function evaluate(files: readonly ConfigFile[], version: number): Effective {
  const settings: Record<string, Observed<string>> = {};
  for (const name of CONTAINERD_SETTINGS) settings[name] = settingOf(files, version, PLACES[name]);
  const disabled = files.flatMap(({ table }) => stringsOf(table['disabled_plugins']));
  const isNew = version >= 3;
  const handlers = tableAt(files, version, ['plugins', isNew ? RUNTIME : CRI, 'containerd']);
  const legacy = handlers.state === 'seen' && !isNew ? legacyRuntimes(handlers.value) : {};
  if (legacy['default'] !== undefined && handlers.state === 'seen')
    settings['cri.default_runtime_name'] = seen('default', handlers.source);
  const runtimes = mapObserved(handlers, (table) => runtimesOf({ ...tableIn(table, ['runtimes']), ...legacy }));
  return {
    hasCri: !disabled.some((name) => name === CRI || name === 'cri' || name === RUNTIME),
    settings,
    runtimes,
    registry: tableAt(files, version, isNew ? ['plugins', IMAGES, 'registry'] : ['plugins', CRI, 'registry']),
    proxyPlugins: proxyPluginsOf(files),
    disabledPlugins: bounded(
      [...new Set(disabled)].map((name) => clip(name, 256)),
      MAX_DISABLED,
      files,
    ),
    programDirectories: programDirectoriesOf(files, version),
    nriDirectory: settingOf(files, version, nri('plugin_path')),
  };
}

/** A name counts in whichever file it is: releases join tables differently. */
function proxyPluginsOf(files: readonly ConfigFile[]): ContainerdDaemon['proxyPlugins'] {
  const proxies = files.flatMap(({ table }) => Object.entries(tableIn(table, ['proxy_plugins']) ?? {}));
  const plugins = proxies.map(([name, proxy]) => {
    const address = isTable(proxy) ? scalarText(proxy['address']) : undefined;
    return { name: clip(name, 256), address: clip(address ?? '', 4096) };
  });
  return bounded(plugins, MAX_PROXIES, files);
}

function bounded<T>(items: readonly T[], most: number, files: readonly ConfigFile[]): Observed<readonly T[]> {
  const source = files[0]?.path ?? '';
  return items.length > most ? unreadable(source, `more than ${String(most)} plugins`) : seen(items, source);
}

/** Keys that name such directories, in each table: CNI, CDI, NRI, image verifiers, and programs of containerd itself. */
function programDirectoriesOf(files: readonly ConfigFile[], version: number): Observed<readonly string[]> {
  const plugin = version >= 3 ? RUNTIME : CRI;
  const places: readonly (readonly [place: Place, keys: readonly string[], below?: string])[] = [
    [
      ['plugins', plugin, 'cni'],
      ['bin_dir', 'bin_dirs', 'conf_dir'],
    ],
    [['plugins', plugin], ['cdi_spec_dirs']],
    [
      ['plugins', NRI],
      ['plugin_path', 'plugin_config_path'],
    ],
    [['plugins', 'io.containerd.image-verifier.v1.bindir'], ['bin_dir']],
    [['plugins', 'io.containerd.internal.v1.opt'], ['path'], '/bin'],
  ];
  const runtimes = tableAt(files, version, ['plugins', plugin, 'containerd', 'runtimes']);
  if (runtimes.state === 'unreadable') return runtimes;
  const names = runtimes.state === 'seen' ? Object.keys(runtimes.value).slice(0, 64) : [];
  const ofRuntimes = names.map(
    (name) => [['plugins', plugin, 'containerd', 'runtimes', name], ['cni_conf_dir']] as const,
  );
  const directories: string[] = [];
  for (const [place, keys, below = ''] of [...places, ...ofRuntimes]) {
    const table = tableAt(files, version, place);
    if (table.state === 'unreadable') return table;
    if (table.state === 'absent') continue;
    const named = keys.flatMap((key) => [table.value[key]].flat()).filter((each) => each !== undefined && each !== '');
    if (!named.every(isAbsolute))
      return unreadable(table.source, `${place.at(-1) ?? ''}: a directory is no absolute path`);
    directories.push(...named.map((each) => `${each}${below}`));
  }
  // A program without a path is found in the directories of root; an address may be no path.
  for (const { table } of files)
    for (const [section, key] of [
      ['stream_processors', 'path'],
      ['proxy_plugins', 'address'],
    ] as const)
      for (const each of Object.values(tableIn(table, [section]) ?? {}))
        if (isTable(each) && isAbsolute(each[key])) directories.push(each[key]);
  return seen(directories, files[0]?.path ?? '');
}

function isAbsolute(each: unknown): each is string {
  return typeof each === 'string' && each.startsWith('/');
}

function settingOf(files: readonly ConfigFile[], version: number, placement: Placement): Observed<string> {
  const place = version >= 4 ? placement.v4 : version === 3 ? placement.v3 : placement.v2;
  const since3 = placement.newKey ?? placement.key;
  const key = version >= 4 ? (V4_KEYS[since3] ?? since3) : version === 3 ? since3 : placement.key;
  const table = tableAt(files, version, place);
  if (table.state !== 'seen') return table;
  const value = table.value[key];
  if (value === undefined) return absent(table.source);
  const text = scalarText(value);
  return text === undefined
    ? unreadable(table.source, `${key} has a type that is not expected`)
    : seen(clip(text, 4096), table.source);
}

/** A text, number or truth value as text; undefined for anything else. */
export function scalarText(value: unknown): string | undefined {
  return typeof value === 'string' ||
    typeof value === 'boolean' ||
    typeof value === 'number' ||
    typeof value === 'bigint'
    ? String(value)
    : undefined;
}

/** The table at a place, from the last file that has the plugin (or the section) it belongs to. */
function tableAt(files: readonly ConfigFile[], version: number, place: Place): Observed<Table> {
  const section = place[0] === 'plugins' ? place.slice(0, 2) : place.slice(0, 1);
  // Version 1 has the short names of plugins.
  const names = version === 1 && section[1] === CRI ? ['plugins', 'cri'] : section;
  const holders = files.filter(({ table }) => tableIn(table, names) !== undefined);
  const last = holders.at(-1);
  if (last === undefined) return absent(files[0]?.path ?? '');
  // From 2.2 on tables of plugins are merged; a program of either release may read the file.
  if (holders.length > 1 && version >= 3)
    return unreadable(
      last.path,
      `${names.join('.')} is in several files, which releases of containerd join differently`,
    );
  const found = tableIn(last.table, [...names, ...place.slice(section.length)]);
  return found === undefined ? absent(last.path) : seen(found, last.path);
}

/** The table at a path; undefined if absent. */
export function tableIn(table: Table, place: readonly string[]): Table | undefined {
  let current: unknown = table;
  for (const name of place) {
    if (!isTable(current) || !Object.hasOwn(current, name)) return undefined;
    current = current[name];
  }
  return isTable(current) ? current : undefined;
}

/** Handlers that 1.x makes of tables beside `runtimes`: docs/cri/config.md of 1.3, `pkg/cri/config` of 1.7. */
function legacyRuntimes(table: Table): Table {
  const names = { default: 'default_runtime', untrusted: 'untrusted_workload_runtime' };
  const set = Object.entries(names).flatMap(([name, key]) => {
    const runtime = tableIn(table, [key]);
    return typeof runtime?.['runtime_type'] === 'string' && runtime['runtime_type'] !== '' ? [[name, runtime]] : [];
  });
  return Object.fromEntries(set) as Table;
}

function runtimesOf(table: Table): Extract<ContainerdDaemon['runtimes'], { state: 'seen' }>['value'] {
  return Object.entries(table)
    .slice(0, 64)
    .flatMap(([name, runtime]) => {
      if (!isTable(runtime)) return [];
      const options = isTable(runtime['options']) ? runtime['options'] : {};
      const text = (value: unknown): string => (typeof value === 'string' ? clip(value, 4096) : '');
      const annotations = [...stringsOf(runtime['pod_annotations']), ...stringsOf(runtime['container_annotations'])];
      return [
        {
          name: clip(name, 256),
          type: clip(text(runtime['runtime_type']), 256),
          shim: text(runtime['runtime_path']),
          binary: text(options['BinaryName']),
          allDevices: runtime['privileged_without_host_devices_all_devices_allowed'] === true,
          noPivotRoot: options['NoPivotRoot'] === true,
          noNewKeyring: options['NoNewKeyring'] === true,
          cgroupWritable: runtime['cgroup_writable'] === true,
          anyAnnotation: annotations.includes('*'),
        },
      ];
    });
}

/** Is the value a table? */
export function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** The texts of an array. */
export function stringsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}
