import { seen, unreadable } from '../../../posture/observed.ts';
import type { ContainerdDaemon } from '../../../posture/fact/containerd.ts';
import type { Host } from '../../host/host.ts';
import { clip } from '../clip.ts';
import { readTrusted } from '../trusted-path.ts';
import { isTable, parseToml, stringsOf } from './config.ts';
import type { Table } from './config.ts';

type Insecure = Extract<ContainerdDaemon['insecureRegistries'], { state: 'seen' }>['value'][number];

/** What the registries of one containerd come to. */
export interface Registries {
  readonly insecure: ContainerdDaemon['insecureRegistries'];
  /** Files with a password or token of a registry. */
  readonly credentialFiles: readonly string[];
}

const MAX_HOSTS = 256;
/** Where containerd looks without `config_path`; the default of current releases. */
const DEFAULT_CONFIG_PATH = '/etc/containerd/certs.d:/etc/docker/certs.d';
const UNVERIFIED = 'certificates are not verified';
const LOOPBACK = /^http:\/\/(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?(?:\/|$)/;

/** Registries in the table of the configuration, and in each `HOST/hosts.toml` of `config_path`. */
export async function readRegistries(host: Host, table: Table, source: string): Promise<Registries> {
  const insecure: Insecure[] = [];
  const note = (registry: string, reason: string, at: string): void => {
    if (insecure.length < MAX_HOSTS) insecure.push({ registry: clip(registry, 256), reason, source: clip(at, 4096) });
  };
  for (const [registry, mirror] of entriesOf(table['mirrors']))
    for (const endpoint of stringsOf(mirror['endpoint'])) if (isPlain(endpoint)) note(registry, 'http', source);
  const configs = entriesOf(table['configs']);
  for (const [registry, config] of configs)
    if (isTable(config['tls']) && config['tls']['insecure_skip_verify'] === true) note(registry, UNVERIFIED, source);
  const auths = [
    ...entriesOf(table['auths']).map(([, auth]) => auth),
    ...configs.map(([, { auth }]) => (isTable(auth) ? auth : {})),
  ];
  const hasCredentials = auths.some((auth) =>
    ['password', 'auth', 'identitytoken'].some((key) => typeof auth[key] === 'string' && auth[key] !== ''),
  );
  const path =
    typeof table['config_path'] === 'string' && table['config_path'] !== '' ? table['config_path'] : undefined;
  const isOld = configs.length > 0 || Object.keys(table).some((key) => ['mirrors', 'auths'].includes(key));
  const directories = (path ?? (isOld ? '' : DEFAULT_CONFIG_PATH)).split(':').filter((each) => each.startsWith('/'));
  const problem = await readHosts(host, directories, note);
  return {
    // What is known to be insecure counts whatever could not be read beside it.
    insecure: problem !== undefined && insecure.length === 0 ? problem : seen(insecure, source),
    credentialFiles: hasCredentials ? [clip(source, 4096)] : [],
  };
}

async function readHosts(
  host: Host,
  directories: readonly string[],
  note: (registry: string, reason: string, at: string) => void,
): Promise<ContainerdDaemon['insecureRegistries'] | undefined> {
  let problem: ContainerdDaemon['insecureRegistries'] | undefined;
  for (const directory of directories) {
    const listed = await host.list(directory, { maxEntries: MAX_HOSTS });
    if (!listed.ok && listed.code !== 'absent') problem ??= unreadable(directory, listed.reason);
    for (const registry of listed.ok ? listed.value : []) {
      const path = `${directory}/${registry}/hosts.toml`;
      const read = await readTrusted(host, path, 256 * 1024);
      if (!read.ok && read.code === 'absent') continue;
      const table = read.ok ? parseToml(read.value.bytes.toString('utf8')) : undefined;
      if (table === undefined) {
        problem ??= unreadable(path, read.ok ? 'its content is not understood' : read.reason);
        continue;
      }
      const server = table['server'];
      if (typeof server === 'string' && isPlain(server)) note(registry, 'http', path);
      if (table['skip_verify'] === true) note(registry, UNVERIFIED, path);
      for (const [name, settings] of entriesOf(table['host'])) {
        if (isPlain(name)) note(registry, 'http', path);
        if (settings['skip_verify'] === true) note(registry, UNVERIFIED, path);
      }
    }
  }
  return problem;
}

/** Is it reached without TLS, by another machine? */
function isPlain(endpoint: string): boolean {
  return endpoint.startsWith('http://') && !LOOPBACK.test(endpoint);
}

function entriesOf(value: unknown): readonly (readonly [string, Table])[] {
  return isTable(value) ? Object.entries(value).filter((entry): entry is [string, Table] => isTable(entry[1])) : [];
}
