import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { Crio } from '../../../posture/fact/crio.ts';
import type { Host } from '../../host/host.ts';
import { clip } from '../clip.ts';
import { isTable, parseToml, stringsOf } from '../containerd/config.ts';
import type { Table } from '../containerd/config.ts';
import { readTrusted } from '../trusted-path.ts';

type Remote = 'anything' | 'verified' | 'rejected';

const MAX_POLICIES = 64;
const MAX_BYTES = 1024 * 1024;
const NOT_UNDERSTOOD = 'its content is not understood';

/** The signature policy of the node and those of namespaces (`DIRECTORY/NAMESPACE.json`), containers-policy.json(5). */
export async function readImagePolicies(
  host: Host,
  { policy, directory }: { readonly policy: string; readonly directory: string },
): Promise<Crio['imagePolicies']> {
  const listed = directory === '' ? undefined : await host.list(directory, { maxEntries: MAX_POLICIES });
  if (listed?.ok === false && listed.code !== 'absent') return unreadable(directory, listed.reason);
  const names = listed?.ok === true ? listed.value.filter((name) => name.endsWith('.json')) : [];
  const policies: { path: string; remote: Remote }[] = [];
  for (const path of [policy, ...names.map((name) => `${directory}/${name}`)]) {
    const read = await readTrusted(host, path, MAX_BYTES);
    if (!read.ok && read.code === 'absent') continue;
    const remote = read.ok ? remoteOf(read.value.bytes.toString('utf8')) : undefined;
    if (remote === undefined) return unreadable(path, read.ok ? NOT_UNDERSTOOD : read.reason);
    policies.push({ path: clip(path, 4096), remote });
  }
  return policies.length === 0 ? absent(policy) : seen(policies, policy);
}

/**
 * What a policy accepts from a registry that it has no rule for: `transports.docker[""]`, otherwise `default`. All
 * requirements of a list have to be met. undefined: the text is no policy.
 */
export function remoteOf(text: string): Remote | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isTable(value)) return undefined;
  const transports = isTable(value['transports']) ? value['transports'] : {};
  const docker = isTable(transports['docker']) ? transports['docker'] : {};
  const requirements = docker[''] ?? value['default'];
  if (!Array.isArray(requirements) || requirements.length === 0) return undefined;
  const types = requirements.map((each: unknown) => (isTable(each) ? each['type'] : undefined));
  if (types.includes('reject')) return 'rejected';
  if (types.every((type) => type === 'insecureAcceptAnything')) return 'anything';
  return types.every((type) =>
    ['insecureAcceptAnything', 'signedBy', 'sigstoreSigned', 'signedBaseLayer'].includes(String(type)),
  )
    ? 'verified'
    : undefined;
}

/** Registries that are reached without verification, containers-registries.conf(5): the main file, then drop-ins by name. */
export async function readInsecureRegistries(
  host: Host,
  { file, directory }: { readonly file: string; readonly directory: string },
): Promise<Crio['insecureRegistries']> {
  const listed = await host.list(directory, { maxEntries: 256 });
  if (!listed.ok && listed.code !== 'absent') return unreadable(directory, listed.reason);
  const dropIns = listed.ok ? listed.value.filter((name) => name.endsWith('.conf')) : [];
  const registries = new Map<string, { readonly reason: string; readonly source: string } | undefined>();
  for (const path of [file, ...dropIns.map((name) => `${directory}/${name}`)]) {
    const read = await readTrusted(host, path, MAX_BYTES);
    if (!read.ok && read.code === 'absent') continue;
    const table = read.ok ? parseToml(read.value.bytes.toString('utf8')) : undefined;
    if (table === undefined) return unreadable(path, read.ok ? NOT_UNDERSTOOD : read.reason);
    // A registry of a later file replaces the one of the same prefix.
    for (const [registry, isInsecure] of registriesOf(table))
      registries.set(
        registry,
        isInsecure ? { reason: 'certificates are not verified', source: clip(path, 4096) } : undefined,
      );
  }
  const insecure = [...registries].flatMap(([registry, found]) =>
    found === undefined ? [] : [{ registry, ...found }],
  );
  return seen(insecure.slice(0, 256), file);
}

/** Registries of a file by prefix, with whether they or one of their mirrors are insecure. Version 1 lists them by name. */
export function registriesOf(table: Table): ReadonlyMap<string, boolean> {
  const found = new Map<string, boolean>();
  const old = isTable(table['registries']) ? table['registries'] : {};
  for (const name of isTable(old['insecure']) ? stringsOf(old['insecure']['registries']) : [])
    found.set(clip(name, 256), !isLoopback(name));
  for (const registry of tablesOf(table['registry'])) {
    const location = textOf(registry['location']);
    const mirrors = tablesOf(registry['mirror']);
    const isInsecure = [registry, ...mirrors].some(
      (each) => each['insecure'] === true && !isLoopback(textOf(each['location'])),
    );
    found.set(clip(textOf(registry['prefix']) || location, 256), isInsecure);
  }
  return found;
}

function isLoopback(location: string): boolean {
  return /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?(?:\/|$)/.test(location);
}

function tablesOf(value: unknown): readonly Table[] {
  return Array.isArray(value) ? value.filter(isTable).slice(0, 1024) : [];
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
