import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Settings } from '../service/config/settings.ts';
import { ensureAuthority, ensureServerCertificate, serverNames } from '../service/tls/authority.ts';
import { loadTlsFiles } from '../service/tls/load-tls-files.ts';
import type { TlsFiles } from '../service/tls/load-tls-files.ts';

/**
 * Keys and certificates of the port for nodes. In the data directory they are made if they are missing; those that
 * the settings name elsewhere, or whose authority keeps its key elsewhere, are only read. Throws TlsError.
 */
export async function prepareTls(settings: Settings, hostName: string, nowMs: number): Promise<TlsFiles> {
  const directory = join(settings.dataDir, 'tls');
  const paths = { ca: settings.tlsCa, cert: settings.tlsCert, key: settings.tlsKey };
  const isOurs = Object.values(paths).every((path) => dirname(path) === directory);
  if (isOurs && !((await exists(paths.ca)) && !(await exists(join(directory, 'ca-key.pem'))))) {
    const authority = await ensureAuthority(directory, nowMs);
    await ensureServerCertificate(authority, serverNames(settings.listen.host, hostName, settings.tlsNames), nowMs);
  }
  return loadTlsFiles(paths);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
