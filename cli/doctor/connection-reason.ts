/** Why a connection could not be made, in plain words, and what to do. */
export interface ConnectionReason {
  readonly text: string;
  readonly advice: string;
}

const WRONG_AUTHORITY = 'its certificate is not of the authority that is trusted here';

/** By the code of Node.js or OpenSSL. */
const REASONS: Readonly<Record<string, readonly [text: string, advice: string]>> = Object.freeze({
  ECONNREFUSED: ['nobody listens there', 'is it running, and is the address right?'],
  ENOTFOUND: ['there is no machine with this name', 'correct the name, or the resolver of this machine'],
  EAI_AGAIN: ['the name could not be looked up', 'see to the resolver of this machine (/etc/resolv.conf)'],
  EHOSTUNREACH: ['there is no way to this machine', 'is it on, and is the network up?'],
  ENETUNREACH: ['there is no way to this network', 'is the network up?'],
  ETIMEDOUT: ['no answer', 'a firewall drops it, or the address is wrong'],
  ECONNRESET: ['the connection was cut', 'whatever listens there does not want it: is the address right?'],
  EADDRNOTAVAIL: ['this machine has no such address', 'correct the address'],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: [WRONG_AUTHORITY, 'bring ca.pem of that collector here'],
  UNABLE_TO_GET_ISSUER_CERT: [WRONG_AUTHORITY, 'bring ca.pem of that collector here'],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: [WRONG_AUTHORITY, 'bring ca.pem of that collector here'],
  SELF_SIGNED_CERT_IN_CHAIN: [WRONG_AUTHORITY, 'bring ca.pem of that collector here'],
  DEPTH_ZERO_SELF_SIGNED_CERT: [WRONG_AUTHORITY, 'bring ca.pem of that collector here'],
  CERT_SIGNATURE_FAILURE: [WRONG_AUTHORITY, 'bring ca.pem of that collector here'],
  CERT_HAS_EXPIRED: ['its certificate has expired', 'start that collector again: it makes a new one'],
  CERT_NOT_YET_VALID: ['its certificate is not valid yet', 'compare the clocks of both machines'],
  ERR_TLS_CERT_ALTNAME_INVALID: [
    'its certificate does not name this address',
    'start that collector with --tls-names NAME, or dial it by a name that its certificate has',
  ],
  ERR_SSL_WRONG_VERSION_NUMBER: ['what listens there speaks no TLS', 'is it the address for nodes (--listen)?'],
  ERR_SSL_PACKET_LENGTH_TOO_LONG: ['what listens there speaks no TLS', 'is it the address for nodes (--listen)?'],
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: ['it speaks no TLS 1.3', 'is it a collector of this program?'],
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: ['it asks for a certificate', 'name one with --tls-cert and --tls-key'],
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: ['it does not know the authority of our certificate', 'both ends need one authority'],
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: ['it says that our certificate has expired', 'bring a new one here'],
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: ['it does not accept our certificate', 'both ends need one authority'],
});

/** The reason behind an error of a socket, of TLS, or of fetch(). */
export function connectionReason(error: unknown): ConnectionReason {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const { code, name, message } = (cause ?? {}) as { code?: unknown; name?: unknown; message?: unknown };
  if (name === 'TimeoutError' || name === 'AbortError')
    return { text: 'no answer in time', advice: 'a firewall drops it, the address is wrong, or it hangs' };
  const known = typeof code === 'string' && Object.hasOwn(REASONS, code) ? REASONS[code] : undefined;
  if (known !== undefined) return { text: `${known[0]} (${String(code)})`, advice: known[1] };
  return { text: typeof code === 'string' ? code : String(message), advice: 'is the address right?' };
}
