import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Settings } from '../service/config/settings.ts';
import { ensureAuthority, ensureServerCertificate, serverNames } from '../service/tls/authority.ts';
import { loadTlsFiles } from '../service/tls/load-tls-files.ts';
import { TlsError } from '../service/tls/tls-error.ts';
import type { TlsFiles } from '../service/tls/load-tls-files.ts';

/** Where and when the keys are prepared. */
export interface TlsSurroundings {
  readonly hostName: string;
  readonly nowMs: number;
  /** The collector has been started before, and had an authority then. */
  readonly isUsed: boolean;
}

/**
 * Keys and certificates of the port for nodes. In the data directory they are made if they are missing; those that
 * the settings name elsewhere, or whose authority keeps its key elsewhere, are only read. An authority that was there
 * before is never replaced: that would lock out all nodes. Throws TlsError.
 */
export async function prepareTls(settings: Settings, { hostName, nowMs, isUsed }: TlsSurroundings): Promise<TlsFiles> {
  const directory = join(settings.dataDir, 'tls');
  const paths = { ca: settings.tlsCa, cert: settings.tlsCert, key: settings.tlsKey };
  const isOurs = Object.values(paths).every((path) => dirname(path) === directory);
  if (isOurs && !((await exists(paths.ca)) && !(await exists(join(directory, 'ca-key.pem'))))) {
    if (isUsed && !(await exists(paths.ca)))
      throw new TlsError(
        'absent',
        `${paths.ca} is missing, although this collector has been used before: restore ${directory} from a backup. ` +
          `To begin with a new authority instead, move the store away as well; every node then needs a new certificate`,
      );
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
