/** Why a connection failed, and what to do. */
export interface ConnectionReason {
  readonly text: string;
  readonly advice: string;
}

const WRONG_AUTHORITY = 'its certificate was not issued by the authority that is trusted here';

/** By error code of Node.js or OpenSSL. */
const REASONS: Readonly<Record<string, readonly [text: string, advice: string]>> = Object.freeze({
  ECONNREFUSED: ['nothing listens there', 'start it, or correct the address'],
  ENOTFOUND: ['the host name does not exist', 'correct the name, or the DNS settings of this machine'],
  EAI_AGAIN: ['the host name could not be resolved', 'check the DNS settings of this machine (/etc/resolv.conf)'],
  EHOSTUNREACH: ['no route to this host', 'check that the machine and the network are up'],
  ENETUNREACH: ['no route to this network', 'check that the network is up'],
  ETIMEDOUT: ['no answer', 'check firewalls and the address'],
  ECONNRESET: ['the connection was reset', 'check the address: another program may listen there'],
  EADDRNOTAVAIL: ['this machine does not have this address', 'correct the address'],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: [WRONG_AUTHORITY, 'copy ca.pem of that collector here'],
  UNABLE_TO_GET_ISSUER_CERT: [WRONG_AUTHORITY, 'copy ca.pem of that collector here'],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: [WRONG_AUTHORITY, 'copy ca.pem of that collector here'],
  SELF_SIGNED_CERT_IN_CHAIN: [WRONG_AUTHORITY, 'copy ca.pem of that collector here'],
  DEPTH_ZERO_SELF_SIGNED_CERT: [WRONG_AUTHORITY, 'copy ca.pem of that collector here'],
  CERT_SIGNATURE_FAILURE: [WRONG_AUTHORITY, 'copy ca.pem of that collector here'],
  CERT_HAS_EXPIRED: ['its certificate has expired', 'restart that collector: it creates a new one'],
  CERT_NOT_YET_VALID: ['its certificate is not valid yet', 'compare the clocks of both machines'],
  ERR_TLS_CERT_ALTNAME_INVALID: [
    'its certificate does not contain this address',
    'start that collector with --tls-names NAME, or connect by a name that its certificate contains',
  ],
  ERR_SSL_WRONG_VERSION_NUMBER: [
    'the program that listens there does not use TLS',
    'use the address for nodes (--listen)',
  ],
  ERR_SSL_PACKET_LENGTH_TOO_LONG: [
    'the program that listens there does not use TLS',
    'use the address for nodes (--listen)',
  ],
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: ['it does not support TLS 1.3', 'check that it is a Plimsoll collector'],
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: ['it requires a certificate', 'name one with --tls-cert and --tls-key'],
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: [
    'it does not trust the authority of our certificate',
    'use certificates of one authority on both sides',
  ],
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: ['it reports that our certificate has expired', 'copy a new one here'],
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: [
    'it does not accept our certificate',
    'use certificates of one authority on both sides',
  ],
});

/** The reason of an error of a socket, of TLS, or of fetch(). */
export function connectionReason(error: unknown): ConnectionReason {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const { code, name, message } = (cause ?? {}) as { code?: unknown; name?: unknown; message?: unknown };
  if (name === 'TimeoutError' || name === 'AbortError')
    return { text: 'no answer in time', advice: 'check firewalls, the address, and whether the program hangs' };
  const known = typeof code === 'string' && Object.hasOwn(REASONS, code) ? REASONS[code] : undefined;
  if (known !== undefined) return { text: `${known[0]} (${String(code)})`, advice: known[1] };
  return { text: typeof code === 'string' ? code : String(message), advice: 'check the address' };
}
