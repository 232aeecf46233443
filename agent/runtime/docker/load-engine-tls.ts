import type { Settings } from '../../../service/config/settings.ts';
import { TlsError } from '../../../service/tls/tls-error.ts';
import { readCertificate, readKey } from '../../../service/tls/pem-file.ts';
import type { EngineTls } from './engine-address.ts';

/** Where the certificates for engines on TCP are: settings docker-tls-ca, docker-tls-cert and docker-tls-key. */
export interface EngineTlsPaths {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/**
 * The paths that the settings name; undefined: none, engines on TCP are spoken to in plain HTTP. Throws where only some
 * of the three are set.
 */
export function engineTlsPaths(
  settings: Pick<Settings, 'dockerTlsCa' | 'dockerTlsCert' | 'dockerTlsKey'>,
): EngineTlsPaths | undefined {
  const paths = { ca: settings.dockerTlsCa, cert: settings.dockerTlsCert, key: settings.dockerTlsKey };
  const set = Object.values(paths).filter((path) => path !== 'off');
  if (set.length === 0) return undefined;
  if (set.length < 3) throw new TlsError('absent', 'docker-tls-ca, docker-tls-cert and docker-tls-key belong together');
  return paths;
}

/** Reads the certificates for engines on TCP; throws {@link TlsError} that names the file. */
export async function loadEngineTls({ ca, cert, key }: EngineTlsPaths): Promise<EngineTls> {
  const [authority, own, ownKey] = [await readCertificate(ca), await readCertificate(cert), await readKey(key)];
  if (authority === undefined) throw missing(ca, 'docker-tls-ca');
  if (own === undefined) throw missing(cert, 'docker-tls-cert');
  if (ownKey === undefined) throw missing(key, 'docker-tls-key');
  return { ca: authority.pem, cert: own.pem, key: ownKey.pem };
}

function missing(path: string, setting: string): TlsError {
  return new TlsError('absent', `${path} is missing (${setting})`);
}
