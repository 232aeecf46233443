import { TlsError } from './tls-error.ts';
import { readCertificate, readKey } from './pem-file.ts';

/** What one end of a connection needs, as PEM text. */
export interface TlsFiles {
  /** The only authorities that are trusted: one, or two while the CA is rotated. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** When the certificate's time is over, milliseconds since 1970. */
  readonly expiresAtMs: number;
}

/** Where they are. */
export interface TlsPaths {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Reads the three files and checks that they belong together; throws {@link TlsError} that names the file. */
export async function loadTlsFiles({ ca, cert, key }: TlsPaths): Promise<TlsFiles> {
  const [authority, own, ownKey] = [await readCertificate(ca), await readCertificate(cert), await readKey(key)];
  if (authority === undefined) throw missing(ca, 'the certificate of the authority (ca.pem of the collector)');
  if (own === undefined) throw missing(cert, 'the certificate of this end');
  if (ownKey === undefined) throw missing(key, 'the private key of this end');
  if (!own.certificate.checkPrivateKey(ownKey.key))
    throw new TlsError('mismatch', `${key} is not the key of the certificate in ${cert}`);
  if (!authority.all.some(({ publicKey }) => own.certificate.verify(publicKey)))
    throw new TlsError('mismatch', `the certificate in ${cert} was not issued by the authority in ${ca}`);
  return { ca: authority.pem, cert: own.pem, key: ownKey.pem, expiresAtMs: Date.parse(own.certificate.validTo) };
}

function missing(path: string, what: string): TlsError {
  return new TlsError('absent', `${path} is missing: ${what}`);
}
