import { absent, mapObserved, seen, unreadable, valueOr } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import type { ContainerdDaemon, ContainerdsFact } from '../../../posture/fact/containerd.ts';
import type { Host } from '../../host/host.ts';
import type { NodeAccess } from '../../node-access.ts';
import { clip } from '../clip.ts';
import type { Inspector } from '../inspector.ts';
import { readInstalledPackage } from '../installed-package.ts';
import { findDaemons, refusalText } from '../proc/daemon-identity.ts';
import type { DaemonProcess } from '../proc/daemon-identity.ts';
import { parseNullTerminated } from '../proc/null-terminated.ts';
import { readText, unseen } from '../read-text.ts';
import { readTrusted, statTrusted } from '../trusted-path.ts';
import { evaluate, importsOf, parseToml, versionOf } from './config.ts';
import type { ConfigFile } from './config.ts';
import { readRegistries } from './registries.ts';

const DEFAULT_CONFIG = '/etc/containerd/config.toml';
/** The Node Resource Interface: its socket exists while it is on. */
const NRI_SOCKET = '/var/run/nri/nri.sock';
const NRI_PLUGINS = '/opt/nri/plugins';
/** Bounds: daemons, files of one configuration, bytes of a file, directories of plugins. */
const MAX_DAEMONS = 8;
const MAX_FILES = 64;
const MAX_BYTES = 1024 * 1024;
const MAX_DIRECTORIES = 32;
const MAX_NRI_PLUGINS = 64;
/** Packages with containerd: of Docker, of Debian and Ubuntu. */
const PACKAGES = ['containerd.io', 'containerd'];

/** Directories from which containerd and its CNI, CDI and NRI plugins take programs and hooks that run as root. */
const PROGRAM_DIRECTORIES: readonly string[] = [
  '/etc/cdi',
  '/etc/cni/net.d',
  '/etc/nri/conf.d',
  '/opt/cni/bin',
  '/opt/containerd/bin',
  '/opt/containerd/image-verifier/bin',
  '/opt/nri/plugins',
  '/run/cdi',
  // The packages of Debian and Ubuntu.
  '/usr/lib/cni',
  '/usr/libexec/cni',
];

/** containerd: the configuration of each that runs, with the files that it imports. */
export const containerdsInspector: Inspector<'containerds'> = {
  fact: 'containerds',
  needs: [],
  inspect: inspectContainerds,
  watches: ({ containerds: { daemons } }) => [
    DEFAULT_CONFIG,
    ...PROGRAM_DIRECTORIES.filter((path) => path.startsWith('/etc/')),
    ...(daemons.state === 'seen' ? daemons.value.flatMap(({ files }) => files) : []),
  ],
};

async function inspectContainerds(access: NodeAccess): Promise<ContainerdsFact> {
  const { host } = access;
  const socket = await host.stat(NRI_SOCKET);
  const found = await readDaemons(access);
  return {
    daemons: mapObserved(found, (all) => all.map(({ daemon }) => daemon)),
    nriSocket: socket.ok ? seen(NRI_SOCKET, NRI_SOCKET) : unseen(socket, NRI_SOCKET),
    nriPlugins: await readNriPlugins(host, found),
    openDirectories: await readOpenDirectories(host, found),
  };
}

/** A containerd, and the directories of programs that its configuration names. */
interface ReadDaemon {
  readonly daemon: ContainerdDaemon;
  readonly directories: Observed<readonly string[]>;
  readonly nriDirectory: Observed<string>;
}

/** What is in the directories of NRI plugins of all daemons; in the usual one where none is known. */
async function readNriPlugins(
  host: Host,
  daemons: Observed<readonly ReadDaemon[]>,
): Promise<ContainerdsFact['nriPlugins']> {
  const configured = daemons.state === 'seen' ? daemons.value.map(({ nriDirectory }) => nriDirectory) : [];
  const unread = configured.find((each) => each.state === 'unreadable');
  if (unread !== undefined) return unread;
  const paths = new Set(configured.map((each) => valueOr(each, NRI_PLUGINS)));
  const names: string[] = [];
  for (const path of paths.size === 0 ? [NRI_PLUGINS] : paths) {
    const listed = await host.list(path, { maxEntries: MAX_NRI_PLUGINS });
    if (!listed.ok && listed.code !== 'absent') return unreadable(clip(path, 4096), listed.reason);
    if (listed.ok) names.push(...listed.value.map((name) => clip(name, 256)));
  }
  const source = clip([...paths][0] ?? NRI_PLUGINS, 4096);
  return names.length > MAX_NRI_PLUGINS
    ? unreadable(source, `more than ${String(MAX_NRI_PLUGINS)} plugins`)
    : seen(names, source);
}

async function readDaemons(access: NodeAccess): Promise<Observed<readonly ReadDaemon[]>> {
  const found = await findDaemons(access, 'containerd');
  const source = '/proc/*/exe containerd';
  if (!found.ok) return unreadable('/proc', found.reason);
  const doubt = refusalText(found.value, 'containerd', ['doubtful']);
  if (doubt !== undefined) return unreadable(source, doubt);
  if (found.value.genuine.length > MAX_DAEMONS) return unreadable(source, `more than ${String(MAX_DAEMONS)} run`);
  const daemons: ReadDaemon[] = [];
  for (const process of found.value.genuine) {
    const { pid } = process;
    const cmdline = await readText(access.host, `/proc/${String(pid)}/cmdline`);
    if (!cmdline.ok && cmdline.code === 'absent') continue;
    if (!cmdline.ok) return unreadable(`/proc/${String(pid)}/cmdline`, cmdline.reason);
    const words = parseNullTerminated(cmdline.value).slice(1);
    // `containerd config dump` and other commands are no daemons.
    if (words.some((word) => ['config', 'publish', 'oci-hook', 'help'].includes(word))) continue;
    const daemon = await readDaemon(access, process, configOf(words));
    if (!daemon.ok) return unreadable(daemon.path, daemon.reason);
    daemons.push(daemon.value);
  }
  return daemons.length === 0 ? absent(source) : seen(daemons, source);
}

/** `-c FILE`, `--config FILE`, `--config=FILE`; the last one counts. */
function configOf(words: readonly string[]): string {
  let config = DEFAULT_CONFIG;
  for (const [index, word] of words.entries()) {
    const inline = /^--?(?:config|c)=(.*)$/.exec(word)?.[1];
    if (inline !== undefined) config = inline;
    else if (/^--?(?:config|c)$/.test(word)) config = words[index + 1] ?? config;
  }
  return config;
}

type Outcome =
  | { readonly ok: true; readonly value: ReadDaemon }
  | { readonly ok: false; readonly path: string; readonly reason: string };

async function readDaemon(access: NodeAccess, process: DaemonProcess, config: string): Promise<Outcome> {
  const { host } = access;
  const { pid, executable } = process;
  const files: ConfigFile[] = [];
  const pending = [config];
  const known = new Set<string>();
  for (let path = pending.shift(); path !== undefined; path = pending.shift()) {
    if (known.has(path)) continue;
    known.add(path);
    if (known.size > MAX_FILES) return { ok: false, path, reason: `more than ${String(MAX_FILES)} files` };
    const read = await readTrusted(host, path, MAX_BYTES);
    if (!read.ok && read.code === 'absent') continue;
    if (!read.ok) return { ok: false, path: clip(path, 4096), reason: read.reason };
    const table = parseToml(read.value.bytes.toString('utf8'));
    if (table === undefined) return { ok: false, path: clip(path, 4096), reason: 'its content is not understood' };
    files.push({ path: clip(path, 4096), table });
    for (const pattern of importsOf(table)) {
      const matches = await expand(host, pattern.startsWith('/') ? pattern : `${parentOf(path)}/${pattern}`);
      if (!Array.isArray(matches))
        return { ok: false, path: clip(pattern, 4096), reason: 'its files could not be listed' };
      pending.push(...(matches as readonly string[]));
    }
  }
  const main = files[0];
  // No file: built-in defaults, those of the latest version of the file.
  const version = main === undefined ? 0 : versionOf(main.table);
  const { registry, programDirectories, nriDirectory, ...effective } = evaluate(files, version);
  const source = registry.source === '' ? config : registry.source;
  const { insecure, credentialFiles } =
    registry.state === 'unreadable'
      ? { insecure: registry, credentialFiles: [] }
      : await readRegistries(host, registry.state === 'seen' ? registry.value : {}, source);
  return {
    ok: true,
    value: {
      daemon: {
        pid,
        executable: clip(executable, 4096),
        package: await readInstalledPackage(access, PACKAGES, executable),
        config: clip(config, 4096),
        version,
        files: files.map(({ path }) => path),
        ...effective,
        insecureRegistries: insecure,
        credentialFiles,
      },
      directories: programDirectories,
      nriDirectory,
    },
  };
}

/** Files that a pattern of `imports` names: `*` and `?` in the last component, in the order of their names. */
async function expand(host: Host, pattern: string): Promise<readonly string[] | undefined> {
  const name = pattern.slice(pattern.lastIndexOf('/') + 1);
  if (!/[*?[]/.test(pattern)) return [pattern];
  const directory = parentOf(pattern);
  if (/[*?[]/.test(directory) || name.includes('[')) return undefined;
  const listed = await host.list(directory, { maxEntries: 1024 });
  if (!listed.ok) return listed.code === 'absent' ? [] : undefined;
  const expression = new RegExp(
    `^${name
      .replaceAll(/[.+^${}()|\\]/g, String.raw`\$&`)
      .replaceAll('*', '[^/]*')
      .replaceAll('?', '[^/]')}$`,
  );
  return listed.value.filter((entry) => expression.test(entry)).map((entry) => `${directory}/${entry}`);
}

/** The usual directories, and those that a containerd is configured with. */
async function readOpenDirectories(
  host: Host,
  daemons: Observed<readonly ReadDaemon[]>,
): Promise<ContainerdsFact['openDirectories']> {
  const configured = daemons.state === 'seen' ? daemons.value.map(({ directories }) => directories) : [];
  const named = configured.flatMap((each) => (each.state === 'seen' ? each.value : []));
  const paths = [...new Set([...PROGRAM_DIRECTORIES, ...named])];
  const open: { path: string; reason: string }[] = [];
  let unread: Observed<never> | undefined = [daemons, ...configured].find((each) => each.state === 'unreadable');
  if (paths.length > MAX_DIRECTORIES)
    unread ??= unreadable(DEFAULT_CONFIG, `more than ${String(MAX_DIRECTORIES)} directories of plugins`);
  for (const path of paths.slice(0, MAX_DIRECTORIES)) {
    const stat = await statTrusted(host, path);
    if (stat.ok || stat.code === 'absent') continue;
    // A refusal says who can change which part of the way.
    if (stat.code === 'denied' && / is writable by /.test(stat.reason))
      open.push({ path: clip(path, 4096), reason: clip(stat.reason, 1024) });
    else unread ??= unreadable(clip(path, 4096), stat.reason);
  }
  return open.length === 0 && unread !== undefined ? unread : seen(open, 'directories of plugins');
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}
