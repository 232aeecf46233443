import { getCACertificates } from 'node:tls';
import { readCertificate, readKey } from '../../service/tls/pem-file.ts';
import type { KeyFile } from '../../service/tls/pem-file.ts';
import { TlsError } from '../../service/tls/tls-error.ts';

/** What a connection with TLS needs, as PEM text. */
export interface ClientTls {
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Where it is. */
export interface ClientTlsPaths {
  /** `system`: the authorities that this machine trusts. */
  readonly ca: string;
  /** `none`: we show no certificate. */
  readonly cert: string;
  readonly key: string;
}

/**
 * Reads the files and holds them to each other. `setting` is what the names of the settings start with: `sink-syslog`.
 * Throws {@link TlsError}, which names the file and the setting.
 */
export async function loadClientTls({ ca, cert, key }: ClientTlsPaths, setting: string): Promise<ClientTls> {
  const authorities = await readAuthorities(ca, setting);
  if (cert === 'none' && key === 'none') return { ca: authorities };
  if (cert === 'none' || key === 'none')
    throw new TlsError('absent', `${setting}-cert and ${setting}-key belong together: set both, or neither`);
  const own = await readCertificate(cert);
  if (own === undefined) throw missing(cert, 'the certificate of this end', `${setting}-cert`);
  const ownKey = await readOwnKey(key, setting);
  if (!own.certificate.checkPrivateKey(ownKey.key))
    throw new TlsError('mismatch', `${key} is not the key of the certificate in ${cert}`);
  return { ca: authorities, cert: own.pem, key: ownKey.pem };
}

async function readAuthorities(ca: string, setting: string): Promise<string> {
  if (ca !== 'system') {
    const file = await readCertificate(ca);
    if (file === undefined) throw missing(ca, 'the authority that signs for the receiver', `${setting}-ca`);
    return file.pem;
  }
  const authorities = getCACertificates('system');
  if (authorities.length > 0) return authorities.join('\n');
  throw new TlsError('absent', `this machine trusts no authority: name that of the receiver in ${setting}-ca`);
}

async function readOwnKey(path: string, setting: string): Promise<KeyFile> {
  const key = await readKey(path).catch((error: unknown) => {
    if (!(error instanceof TlsError) || error.code !== 'exposed') throw error;
    const text = `${path}: others than its owner can read this private key. If nobody did, run: chmod 600 ${path}`;
    throw new TlsError('exposed', text, { cause: error });
  });
  if (key === undefined) throw missing(path, 'the private key of this end', `${setting}-key`);
  return key;
}

function missing(path: string, what: string, setting: string): TlsError {
  return new TlsError('absent', `${path} is missing: ${what} (${setting})`);
}
