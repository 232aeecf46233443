import type { Host } from '../../host/host.ts';
import { NODE_SUBJECT } from '../parse-cache.ts';
import type { CachedHost } from '../parse-cache.ts';
import { readTrusted, statTrusted } from '../trusted-path.ts';
import type { KubeletFlags } from './command-line.ts';
import { parseKubeletConfig } from './config-file.ts';
import type { ConfigurationFile, ConfigurationLayers } from './effective.ts';
import { compareText } from '../../../posture/text-order.ts';

/** What the files of a kubelet say. */
export type KubeletFiles = Pick<ConfigurationLayers, 'file' | 'dropIns' | 'unread'> & {
  /** Every file that was found, with its modification time; also one whose content could not be read. */
  readonly paths: readonly { readonly path: string; readonly modifiedAtMs: number }[];
};

/** Real files have some KiB. */
const MAX_FILE_BYTES = 256 * 1024;
const MAX_DROP_INS = 64;
const MAX_DEPTH = 4;

/** A file that was read, or why its content is not known. */
type ReadConfiguration =
  | { readonly ok: true; readonly file: ConfigurationFile; readonly modifiedAtMs: number }
  | { readonly ok: false; readonly path: string; readonly reason: string; readonly modifiedAtMs: number };

/** Reads the files that the flags `--config` and `--config-dir` name. Only files that nobody but root can change. */
export async function readKubeletFiles(access: CachedHost, flags: KubeletFlags): Promise<KubeletFiles> {
  const path = flags.get('config')?.at(-1) ?? '';
  const directory = flags.get('config-dir')?.at(-1) ?? '';
  const file = path === '' ? undefined : await readConfiguration(access, path);
  const listed: DropIns = directory === '' ? { paths: [] } : await listDropIns(access.host, directory);
  const dropIns = await Promise.all(listed.paths.map((dropIn) => readConfiguration(access, dropIn)));
  const all = [...(file === undefined ? [] : [file]), ...dropIns];
  const failed = all.find((each) => !each.ok);
  return {
    file: file === undefined ? undefined : file.ok ? file.file : { path, fields: {} },
    dropIns: dropIns.flatMap((each) => (each.ok ? [each.file] : [])),
    unread: listed.unread ?? (failed && { source: failed.path, reason: failed.reason }) ?? dynamicConfiguration(flags),
    paths: all.map((each) => ({ path: each.ok ? each.file.path : each.path, modifiedAtMs: each.modifiedAtMs })),
  };
}

/**
 * Before Kubernetes 1.24, an object of the API server takes the place of the file of `--config` where the kubelet has a
 * directory for it and the Node names one. Which one it uses is only in the cluster.
 */
function dynamicConfiguration(flags: KubeletFlags): KubeletFiles['unread'] {
  const directory = flags.get('dynamic-config-dir')?.at(-1) ?? '';
  if (directory === '') return undefined;
  return { source: '--dynamic-config-dir', reason: 'a configuration from the API server may replace that of the node' };
}

/** The paths of drop-ins; `unread`: there may be others. */
interface DropIns {
  readonly paths: readonly string[];
  readonly unread?: NonNullable<ConfigurationLayers['unread']>;
}

async function readConfiguration({ host, cache }: CachedHost, path: string): Promise<ReadConfiguration> {
  const failed = (reason: string, modifiedAtMs = 0): ReadConfiguration => ({ ok: false, path, reason, modifiedAtMs });
  if (!path.startsWith('/')) return failed('a relative path: where it leads is not known');
  const read = await readTrusted(host, path, MAX_FILE_BYTES);
  if (!read.ok) return failed(read.reason);
  const { bytes, stat } = read.value;
  const parsed = cache.parsed(NODE_SUBJECT, path, bytes, parseKubeletConfig);
  if (!parsed.ok) return failed(parsed.problem, stat.modifiedAtMs);
  return { ok: true, file: { path, fields: parsed.fields }, modifiedAtMs: stat.modifiedAtMs };
}

/** `*.conf` in the directory and below, in the order in which the kubelet walks: by name, each directory in its place. */
async function listDropIns(host: Host, directory: string, depth = 0): Promise<DropIns> {
  const unread = (reason: string): DropIns => ({ paths: [], unread: { source: directory, reason } });
  if (!directory.startsWith('/')) return unread('a relative path: where it leads is not known');
  if ((await host.readLink(directory)).ok) return unread('a symbolic link, which the kubelet does not follow here');
  const trusted = await statTrusted(host, directory);
  const listed = trusted.ok ? await host.list(directory, { maxEntries: 1024 }) : trusted;
  if (!listed.ok) return unread(listed.reason);
  const paths: string[] = [];
  for (const name of listed.value.toSorted(compareText)) {
    const path = `${directory}/${name}`;
    const stat = await host.stat(path);
    const isDirectory = stat.ok && stat.value.kind === 'directory' && !(await host.readLink(path)).ok;
    if (isDirectory) {
      if (depth === MAX_DEPTH) return unread(`more than ${String(MAX_DEPTH)} levels of directories`);
      const below = await listDropIns(host, path, depth + 1);
      if (below.unread !== undefined) return below;
      paths.push(...below.paths);
    } else if (name.endsWith('.conf')) paths.push(path);
    if (paths.length > MAX_DROP_INS) return unread(`more than ${String(MAX_DROP_INS)} files`);
  }
  return { paths };
}
