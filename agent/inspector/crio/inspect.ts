import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import type { Crio, CrioFact, CrioSettingName } from '../../../posture/fact/crio.ts';
import type { Host } from '../../host/host.ts';
import type { NodeAccess } from '../../node-access.ts';
import { clip } from '../clip.ts';
import { isTable, parseToml } from '../containerd/config.ts';
import type { ConfigFile } from '../containerd/config.ts';
import type { Inspector } from '../inspector.ts';
import { findDaemons, refusalText } from '../proc/daemon-identity.ts';
import { parseNullTerminated } from '../proc/null-terminated.ts';
import { readText, unseen } from '../read-text.ts';
import { readTrusted, statTrusted } from '../trusted-path.ts';
import { configuredPath, evaluate, isCommand, parseStarted } from './config.ts';
import type { Effective, Started } from './config.ts';
import { readImagePolicies, readInsecureRegistries } from './image-sources.ts';

const CONFIG = '/etc/crio/crio.conf';
const CONFIG_DIRECTORY = '/etc/crio/crio.conf.d';
/** Bounds: files of the configuration, depth of its directory, bytes of a file, entries of a list. */
const MAX_FILES = 64;
const MAX_DEPTH = 4;
const MAX_BYTES = 1024 * 1024;
const MAX_ENTRIES = 64;

/** What CRI-O uses where the configuration names nothing else, crio.conf(5). */
const DEFAULTS: Readonly<Partial<Record<CrioSettingName, string>>> = {
  'api.listen': '/var/run/crio/crio.sock',
  'image.signature_policy': '/etc/containers/policy.json',
  'image.signature_policy_dir': '/etc/crio/policies',
  'network.network_dir': '/etc/cni/net.d',
  'network.plugin_dirs': '/opt/cni/bin',
  'nri.nri_plugin_config_dir': '/etc/nri/conf.d',
  'nri.nri_plugin_dir': '/opt/nri/plugins',
  'runtime.cdi_spec_dirs': '/etc/cdi,/var/run/cdi',
  'runtime.hooks_dir': '/usr/share/containers/oci/hooks.d',
  registries_conf: '/etc/containers/registries.conf',
  registries_conf_dir: '/etc/containers/registries.conf.d',
};
/** Settings that name files and directories which only root may change. */
const ROOT_ONLY: readonly CrioSettingName[] = [
  'image.signature_policy',
  'image.signature_policy_dir',
  'network.network_dir',
  'network.plugin_dirs',
  'nri.nri_plugin_config_dir',
  'nri.nri_plugin_dir',
  'registries_conf',
  'registries_conf_dir',
  'runtime.cdi_spec_dirs',
  'runtime.hooks_dir',
];

/** CRI-O: its configuration from files, drop-ins, environment and flags, and what it runs as root. */
export const crioInspector: Inspector<'crio'> = {
  fact: 'crio',
  needs: [],
  inspect: inspectCrio,
  watches: ({ crio }) =>
    crio.state === 'seen' ? [CONFIG_DIRECTORY, ...crio.value.files, '/etc/containers/policy.json'] : [],
};

async function inspectCrio(access: NodeAccess): Promise<CrioFact> {
  const found = await findDaemons(access, 'crio');
  const source = '/proc/*/exe crio';
  if (!found.ok) return unreadable('/proc', found.reason);
  const doubt = refusalText(found.value, 'crio', ['doubtful']);
  if (doubt !== undefined) return unreadable(source, doubt);
  const { host } = access;
  const daemons = [];
  for (const { pid } of found.value.genuine) {
    const at = `/proc/${String(pid)}`;
    const cmdline = await readText(host, `${at}/cmdline`);
    if (!cmdline.ok && cmdline.code === 'absent') continue;
    if (!cmdline.ok) return unreadable(`${at}/cmdline`, cmdline.reason);
    const words = parseNullTerminated(cmdline.value).slice(1);
    if (isCommand(words)) continue;
    const environment = await readText(host, `${at}/environ`);
    if (!environment.ok) return unreadable(`${at}/environ`, environment.reason);
    daemons.push({ pid, started: parseStarted(words, parseNullTerminated(environment.value)) });
  }
  const [daemon] = daemons;
  if (daemon === undefined) return absent(source);
  if (daemons.length > 1) return unreadable(source, 'more than one runs');
  return seen(await readCrio(host, daemon.pid, daemon.started), source);
}

async function readCrio(host: Host, pid: number, started: Started): Promise<Crio> {
  const config = configuredPath(started, 'config', CONFIG);
  const read = await readFiles(host, config, configuredPath(started, 'config-dir', CONFIG_DIRECTORY));
  const effective = evaluate(read.files, started, clip(config, 4096));
  // Without one of its files nothing can be said about a setting that neither a flag nor a variable decides.
  const { problem } = read;
  const settings =
    problem === undefined
      ? effective.settings
      : Object.fromEntries(
          Object.entries(effective.settings).map(([name, value]) => [
            name,
            value.state === 'seen' && !value.source.startsWith('/') ? value : problem,
          ]),
        );
  const pathOf = (name: CrioSettingName): string => {
    const setting = settings[name];
    return setting?.state === 'seen' && setting.value !== '' ? setting.value : (DEFAULTS[name] ?? '');
  };
  const pathsOf = (name: CrioSettingName): readonly string[] =>
    pathOf(name)
      .split(',')
      .map((each) => each.trim())
      .filter((each) => each.startsWith('/'))
      .slice(0, 16);
  const hooks = await listAll(host, pathsOf('runtime.hooks_dir'), /\.json$/);
  const seccompProfiles = await readSeccompProfiles(host, settings, effective);
  const runtimePaths = effective.runtimes.state === 'seen' ? effective.runtimes.value.map(({ path }) => path) : [];
  const rootOnly = [
    config,
    configuredPath(started, 'config-dir', CONFIG_DIRECTORY),
    ...read.paths,
    ...ROOT_ONLY.flatMap(pathsOf),
    ...(hooks.state === 'seen' ? hooks.value : []),
    ...seccompProfiles.map(({ path }) => path),
    ...runtimePaths,
  ];
  return {
    pid,
    config: clip(config, 4096),
    files: read.files.map(({ path }) => path),
    settings,
    runtimes: problem ?? effective.runtimes,
    workloadAnnotations: problem ?? effective.workloadAnnotations,
    seccompProfiles,
    socket: await readSocket(host, pathOf('api.listen')),
    hooks,
    defaultMounts: await readDefaultMounts(host, pathOf('runtime.default_mounts_file')),
    nriPlugins: await listNames(host, pathOf('nri.nri_plugin_dir')),
    criu: await findProgram(host, 'criu'),
    imagePolicies: await readImagePolicies(host, {
      policy: pathOf('image.signature_policy'),
      directory: pathOf('image.signature_policy_dir'),
    }),
    insecureRegistries: await readInsecureRegistries(host, {
      file: pathOf('registries_conf'),
      directory: pathOf('registries_conf_dir'),
    }),
    credentialFiles: await readCredentialFiles(host, [
      ...pathsOf('image.global_auth_file'),
      ...pathsOf('image.pause_image_auth_file'),
      '/var/lib/kubelet/config.json',
    ]),
    openFiles: await readOpenFiles(host, [...new Set(rootOnly.filter((path) => path.startsWith('/')))]),
  };
}

interface FilesRead {
  readonly files: readonly ConfigFile[];
  /** Paths of all of them, whether or not they could be read. */
  readonly paths: readonly string[];
  /** The first that could not be read. */
  readonly problem: Observed<never> | undefined;
}

/** The main file, then all files below the directory, in the order of their names as a directory walk gives them. */
async function readFiles(host: Host, config: string, directory: string): Promise<FilesRead> {
  const files: ConfigFile[] = [];
  const paths = [config];
  let problem: FilesRead['problem'];
  const walk = async (at: string, depth: number): Promise<void> => {
    const listed = await host.list(at, { maxEntries: MAX_FILES });
    if (!listed.ok) {
      if (listed.code !== 'absent') problem ??= unreadable(clip(at, 4096), listed.reason);
      return;
    }
    for (const name of listed.value) {
      const path = `${at}/${name}`;
      const stat = await host.stat(path);
      if (stat.ok && stat.value.kind === 'directory' && depth < MAX_DEPTH) await walk(path, depth + 1);
      else paths.push(path);
    }
  };
  await walk(directory, 1);
  if (paths.length > MAX_FILES) problem ??= unreadable(clip(directory, 4096), `more than ${String(MAX_FILES)} files`);
  for (const path of paths.slice(0, MAX_FILES)) {
    const shown = clip(path, 4096);
    const read = await readTrusted(host, path, MAX_BYTES);
    if (!read.ok && read.code === 'absent') continue;
    const table = read.ok ? parseToml(read.value.bytes.toString('utf8')) : undefined;
    if (table === undefined) problem ??= unreadable(shown, read.ok ? 'its content is not understood' : read.reason);
    else files.push({ path: shown, table });
  }
  return { files, paths: paths.slice(0, MAX_FILES), problem };
}

/** `defaultAction` of the profiles that are named, runtime-spec config-linux.md. */
async function readSeccompProfiles(
  host: Host,
  settings: Crio['settings'],
  { handlerProfiles }: Effective,
): Promise<Crio['seccompProfiles']> {
  const setting = (name: CrioSettingName): string => {
    const found = settings[name];
    return found?.state === 'seen' ? clip(found.value, 4096) : '';
  };
  const named: readonly (readonly [usedBy: string, path: string])[] = [
    ['default', setting('runtime.seccomp_profile')],
    ['privileged', setting('runtime.privileged_seccomp_profile')],
    ...handlerProfiles,
  ];
  const profiles = [];
  for (const [usedBy, path] of named) {
    if (path === '' || path === 'unconfined') continue;
    const read = await readTrusted(host, path, MAX_BYTES);
    const action = read.ok ? defaultActionOf(read.value.bytes.toString('utf8')) : undefined;
    const defaultAction: Observed<string> = !read.ok
      ? unseen(read, path)
      : action === undefined
        ? unreadable(path, 'its content is not understood')
        : seen(action, path);
    profiles.push({ usedBy, path, defaultAction });
  }
  return profiles;
}

function defaultActionOf(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isTable(value) && typeof value['defaultAction'] === 'string' ? clip(value['defaultAction'], 64) : undefined;
  } catch {
    return undefined;
  }
}

async function readSocket(host: Host, path: string): Promise<Crio['socket']> {
  const stat = await host.stat(path);
  if (!stat.ok) return unseen(stat, path);
  const { kind, mode, uid, gid } = stat.value;
  return kind === 'socket' ? seen({ path, mode, uid, gid }, path) : unreadable(path, `a ${kind}, not a socket`);
}

/** `/source:/target`, a line each: of the file that is named, or else of both that are read without one. */
async function readDefaultMounts(host: Host, named: string): Promise<Crio['defaultMounts']> {
  const paths = named === '' ? ['/etc/containers/mounts.conf', '/usr/share/containers/mounts.conf'] : [named];
  const mounts: string[] = [];
  for (const path of paths) {
    const read = await readTrusted(host, path, MAX_BYTES);
    if (!read.ok && read.code === 'absent') continue;
    if (!read.ok) return unreadable(path, read.reason);
    const lines = read.value.bytes.toString('utf8').split('\n');
    mounts.push(...lines.map((line) => line.trim()).filter((line) => /^\/[^:]*(?::|$)/.test(line)));
  }
  return seen(
    mounts.slice(0, MAX_ENTRIES).map((mount) => clip(mount, 4096)),
    paths.join(', '),
  );
}

async function listNames(host: Host, directory: string): Promise<Observed<readonly string[]>> {
  const listed = await host.list(directory, { maxEntries: 1024 });
  if (listed.ok)
    return seen(
      listed.value.slice(0, MAX_ENTRIES).map((name) => clip(name, 256)),
      directory,
    );
  return listed.code === 'absent' ? seen([], directory) : unreadable(directory, listed.reason);
}

async function listAll(
  host: Host,
  directories: readonly string[],
  pattern: RegExp,
): Promise<Observed<readonly string[]>> {
  const files: string[] = [];
  for (const directory of directories) {
    const listed = await listNames(host, directory);
    if (listed.state === 'unreadable') return listed;
    if (listed.state === 'seen')
      files.push(...listed.value.filter((name) => pattern.test(name)).map((name) => `${directory}/${name}`));
  }
  return seen(files.slice(0, MAX_ENTRIES), directories.join(', '));
}

async function findProgram(host: Host, name: string): Promise<Observed<string>> {
  const places = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin'].map((at) => `${at}/${name}`);
  for (const path of places) {
    const stat = await host.stat(path);
    if (stat.ok) return seen(path, path);
    if (stat.code !== 'absent') return unreadable(path, stat.reason);
  }
  return absent(places.join(', '));
}

async function readCredentialFiles(host: Host, paths: readonly string[]): Promise<Crio['credentialFiles']> {
  const files = [];
  for (const path of new Set(paths)) {
    const stat = await host.stat(path);
    if (!stat.ok && stat.code === 'absent') continue;
    if (!stat.ok) return unreadable(path, stat.reason);
    files.push({ path: clip(path, 4096), mode: stat.value.mode, uid: stat.value.uid });
  }
  return seen(files, [...paths].join(', '));
}

async function readOpenFiles(host: Host, paths: readonly string[]): Promise<Crio['openFiles']> {
  const open: { path: string; reason: string }[] = [];
  let problem: Crio['openFiles'] | undefined;
  for (const path of paths) {
    const stat = await statTrusted(host, path);
    if (stat.ok || stat.code === 'absent') continue;
    if (/ is writable by /.test(stat.reason)) open.push({ path: clip(path, 4096), reason: clip(stat.reason, 1024) });
    else problem ??= unreadable(clip(path, 4096), stat.reason);
  }
  // What others can change counts whatever could not be looked at beside it.
  return problem !== undefined && open.length === 0
    ? problem
    : seen(open.slice(0, MAX_ENTRIES), 'files and directories of CRI-O');
}
