import { readTrusted } from '../../inspector/trusted-path.ts';
import type { Host } from '../../host/host.ts';

const DEFAULT_CONFIG_FILE = '/etc/docker/daemon.json';
const MAX_HOSTS = 64;

/**
 * Where a dockerd of the node listens (`unix:///run/x.sock`, `fd://`, `tcp://…`): its -H flags, otherwise `hosts` of its
 * configuration file (dockerd refuses to start with both), otherwise its default. Empty where it does not show.
 */
export async function hostsOf(host: Host, pid: number): Promise<readonly string[]> {
  const read = await host.readFile(`/proc/${String(pid)}/cmdline`);
  if (!read.ok) return [];
  const words = read.value.toString('utf8').split('\0');
  const flags = valuesOf(words, ['-H', '--host']);
  if (flags.length > 0) return flags;
  const [configFile = DEFAULT_CONFIG_FILE] = valuesOf(words, ['--config-file']);
  const hosts = await configuredHosts(host, configFile);
  return hosts.length > 0 ? hosts : ['unix://'];
}

/** Values of a flag in the ways that pflag takes it: `-H x`, `-Hx`, `-H=x`, `--host x`, `--host=x`. */
function valuesOf(words: readonly string[], names: readonly string[]): string[] {
  const values: string[] = [];
  for (const [index, word] of words.entries()) {
    const name = names.find((candidate) => word.startsWith(candidate));
    if (name === undefined || values.length >= MAX_HOSTS) continue;
    const rest = word.slice(name.length);
    if (rest === '') values.push(words[index + 1] ?? '');
    else if (rest.startsWith('=')) values.push(rest.slice(1));
    else if (!name.startsWith('--')) values.push(rest);
  }
  return values.filter((value) => value !== '');
}

async function configuredHosts(host: Host, path: string): Promise<readonly string[]> {
  const read = await readTrusted(host, path);
  if (!read.ok) return [];
  try {
    const { hosts } = JSON.parse(read.value.bytes.toString('utf8')) as { hosts?: unknown };
    return Array.isArray(hosts) ? hosts.filter((entry) => typeof entry === 'string').slice(0, MAX_HOSTS) : [];
  } catch {
    // dockerd itself would not start with this file: it was changed since, and says nothing about the running one.
    return [];
  }
}
