import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { ContainerdDaemon, ContainerdsFact } from '../../../posture/fact/containerd.ts';
import type { Host } from '../../host/host.ts';
import type { NodeAccess } from '../../node-access.ts';
import { clip } from '../clip.ts';
import type { Inspector } from '../inspector.ts';
import { findDaemons, refusalText } from '../proc/daemon-identity.ts';
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
/** Bounds: daemons, files of one configuration, bytes of a file. */
const MAX_DAEMONS = 8;
const MAX_FILES = 64;
const MAX_BYTES = 1024 * 1024;

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
  const plugins = await host.list(NRI_PLUGINS, { maxEntries: 64 });
  return {
    daemons: await readDaemons(access),
    nriSocket: socket.ok ? seen(NRI_SOCKET, NRI_SOCKET) : unseen(socket, NRI_SOCKET),
    nriPlugins: plugins.ok
      ? seen(
          plugins.value.map((name) => clip(name, 256)),
          NRI_PLUGINS,
        )
      : plugins.code === 'absent'
        ? seen([], NRI_PLUGINS)
        : unreadable(NRI_PLUGINS, plugins.reason),
    openDirectories: await readOpenDirectories(host),
  };
}

async function readDaemons(access: NodeAccess): Promise<ContainerdsFact['daemons']> {
  const found = await findDaemons(access, 'containerd');
  const source = '/proc/*/exe containerd';
  if (!found.ok) return unreadable('/proc', found.reason);
  const doubt = refusalText(found.value, 'containerd', ['doubtful']);
  if (doubt !== undefined) return unreadable(source, doubt);
  if (found.value.genuine.length > MAX_DAEMONS) return unreadable(source, `more than ${String(MAX_DAEMONS)} run`);
  const daemons: ContainerdDaemon[] = [];
  for (const { pid } of found.value.genuine) {
    const cmdline = await readText(access.host, `/proc/${String(pid)}/cmdline`);
    if (!cmdline.ok && cmdline.code === 'absent') continue;
    if (!cmdline.ok) return unreadable(`/proc/${String(pid)}/cmdline`, cmdline.reason);
    const words = parseNullTerminated(cmdline.value).slice(1);
    // `containerd config dump` and other commands are no daemons.
    if (words.some((word) => ['config', 'publish', 'oci-hook', 'help'].includes(word))) continue;
    const daemon = await readDaemon(access.host, pid, configOf(words));
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
  | { readonly ok: true; readonly value: ContainerdDaemon }
  | { readonly ok: false; readonly path: string; readonly reason: string };

async function readDaemon(host: Host, pid: number, config: string): Promise<Outcome> {
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
  const { registry, ...effective } = evaluate(files, version);
  const source = registry.source === '' ? config : registry.source;
  const { insecure, credentialFiles } =
    registry.state === 'unreadable'
      ? { insecure: registry, credentialFiles: [] }
      : await readRegistries(host, registry.state === 'seen' ? registry.value : {}, source);
  return {
    ok: true,
    value: {
      pid,
      config: clip(config, 4096),
      version,
      files: files.map(({ path }) => path),
      ...effective,
      insecureRegistries: insecure,
      credentialFiles,
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

async function readOpenDirectories(host: Host): Promise<ContainerdsFact['openDirectories']> {
  const open: { path: string; reason: string }[] = [];
  for (const path of PROGRAM_DIRECTORIES) {
    const stat = await statTrusted(host, path);
    if (stat.ok || stat.code === 'absent') continue;
    // A refusal says who can change which part of the way.
    if (stat.code !== 'denied' || !/ is writable by /.test(stat.reason)) return unreadable(path, stat.reason);
    open.push({ path, reason: clip(stat.reason, 1024) });
  }
  return seen(open, 'directories of plugins');
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}
