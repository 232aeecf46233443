import { parseYamlDocuments } from '../../../image/policy/yaml-documents.ts';
import type { Host, Read } from '../../host/host.ts';
import { failure } from '../../host/failure.ts';
import { parseNullTerminated } from '../proc/null-terminated.ts';
import { readText } from '../read-text.ts';
import type { DaemonProcess } from '../proc/daemon-identity.ts';
import { findUnit } from '../systemd/find-unit.ts';
import { unitValues } from '../systemd/unit-file.ts';
import { readTrusted, statTrusted } from '../trusted-path.ts';
import { ownField } from './config-file.ts';
import { rancherDirectory } from './distribution.ts';

/** How a program starts the kubelet within it. */
export interface EmbeddedStart {
  /** Arguments of the kubelet, as on a command line of its own. */
  readonly args: readonly string[];
  /** Files that the arguments are from. */
  readonly files: readonly { readonly path: string; readonly modifiedAtMs: number }[];
  /** The program adds arguments that it shows nowhere: a setting that nothing else decides is not known. */
  readonly addsArguments: boolean;
}

const MAX_BYTES = 256 * 1024;
const MAX_FILES = 64;
const K3S_CONFIG = '/etc/rancher/k3s/config.yaml';
const SNAP_COMMON = '/var/snap/microk8s/common';

/** The arguments of the kubelet in kubelite of MicroK8s: one a line in the file of `--kubelet-args-file`. */
export async function readKubeliteStart(host: Host, args: readonly string[]): Promise<Read<EmbeddedStart>> {
  const option = '--kubelet-args-file=';
  const path = args.find((arg) => arg.startsWith(option))?.slice(option.length);
  if (path === undefined) return failure('failed', 'kubelite has no --kubelet-args-file');
  const read = await readTrusted(host, path, MAX_BYTES);
  if (!read.ok) return { ...read, reason: `${path}: ${read.reason}` };
  const data = path.replace(/\/args\/[^/]*$/, '');
  const lines = read.value.bytes
    .toString('utf8')
    .split('\n')
    .map((line) => line.trim());
  const given = lines
    .filter((line) => line.startsWith('-'))
    .flatMap(splitWords)
    .map((word) => word.replaceAll(/\$\{?SNAP_DATA\}?/g, data).replaceAll(/\$\{?SNAP_COMMON\}?/g, SNAP_COMMON));
  const files = [{ path, modifiedAtMs: read.value.stat.modifiedAtMs }];
  return { ok: true, value: { args: given, files, addsArguments: false } };
}

/**
 * The arguments of the kubelet in k3s that an administrator chose: `kubelet-arg` in its files and on the command line of
 * its unit, since k3s hides its own. It adds others, and since 1.32 settings as drop-ins in its data directory.
 */
export async function readK3sStart(
  host: Host,
  { pid, executable }: Pick<DaemonProcess, 'pid' | 'executable'>,
  unit: string | undefined,
): Promise<Read<EmbeddedStart>> {
  if (unit === undefined) return failure('failed', 'k3s hides its arguments, and no systemd unit shows them');
  const found = await findUnit(host, unit);
  if (found === undefined) return failure('absent', `${unit} was not found`);
  if (!('path' in found)) return { ...found, reason: `${unit}: ${found.reason}` };
  const [unread] = found.unread;
  if (unread !== undefined) return failure('failed', `${unread.path}: ${unread.reason}`);
  const command = splitWords(unitValues(found.settings, 'Service', 'ExecStart').at(-1) ?? '');
  if (command.length === 0) return failure('failed', `${found.path} has no ExecStart that can be read`);
  const environ = await readText(host, `/proc/${String(pid)}/environ`);
  if (!environ.ok) return { ...environ, reason: `/proc/${String(pid)}/environ: ${environ.reason}` };
  const named = parseNullTerminated(environ.value).find((entry) => entry.startsWith('K3S_CONFIG_FILE='));
  const config = optionValues(command, ['config', 'c']).at(-1) ?? named?.slice('K3S_CONFIG_FILE='.length) ?? K3S_CONFIG;
  const files = await readK3sFiles(host, config);
  if (!files.ok) return files;
  const chosen = [...files.value.args, ...optionValues(command, ['kubelet-arg'])];
  const directory = `${rancherDirectory('k3s', executable)}/agent/etc/kubelet.conf.d`;
  const dropIns = await statTrusted(host, directory);
  if (!dropIns.ok && dropIns.code !== 'absent') return { ...dropIns, reason: `${directory}: ${dropIns.reason}` };
  const args = [...(dropIns.ok ? [`--config-dir=${directory}`] : []), ...chosen.map((arg) => `--${arg}`)];
  return { ok: true, value: { args, files: files.value.files, addsArguments: true } };
}

/** `kubelet-arg` of the configuration of k3s and of the files in `config.yaml.d`. */
async function readK3sFiles(host: Host, config: string): Promise<Read<Pick<EmbeddedStart, 'args' | 'files'>>> {
  const directory = `${config}.d`;
  const listed = await host.list(directory, { maxEntries: 1024 });
  if (!listed.ok && listed.code !== 'absent') return { ...listed, reason: `${directory}: ${listed.reason}` };
  const names = listed.ok ? listed.value.filter((name) => /\.ya?ml$/.test(name)) : [];
  if (names.length > MAX_FILES) return failure('tooLarge', `${directory}: more than ${String(MAX_FILES)} files`);
  const args: string[] = [];
  const files: { path: string; modifiedAtMs: number }[] = [];
  for (const path of [config, ...names.map((name) => `${directory}/${name}`)]) {
    const read = await readTrusted(host, path, MAX_BYTES);
    if (!read.ok && read.code === 'absent') continue;
    if (!read.ok) return { ...read, reason: `${path}: ${read.reason}` };
    const parsed = parseYamlDocuments(read.value.bytes.toString('utf8'), '1.1');
    if (!parsed.ok) return failure('failed', `${path}: ${parsed.reason}`);
    // A key with + adds to those before it.
    const [own, more] = ['kubelet-arg', 'kubelet-arg+'].map((key) => ownField(parsed.documents[0], key));
    if (own !== undefined) args.length = 0;
    args.push(...[own, more].flat().filter((arg) => typeof arg === 'string'));
    files.push({ path, modifiedAtMs: read.value.stat.modifiedAtMs });
  }
  return { ok: true, value: { args, files } };
}

/** Words of a command, quotes taken away; enough for the commands that installers write. */
function splitWords(text: string): readonly string[] {
  const words = text.match(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g) ?? [];
  return words.map((word) => word.replaceAll(/'([^']*)'|"([^"]*)"/g, '$1$2'));
}

/** Values of an option: `--name=value` and `--name value`. */
function optionValues(words: readonly string[], names: readonly string[]): readonly string[] {
  return words.flatMap((word, index) => {
    const [, name = '', value] = /^--?([a-z-]+)(?:=(.*))?$/s.exec(word) ?? [];
    return names.includes(name) ? [value ?? words[index + 1] ?? ''] : [];
  });
}
