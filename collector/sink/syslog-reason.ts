import { formatAddress } from '../../service/config/kind.ts';
import type { Address } from '../../service/config/kind.ts';
import { errorCode } from '../../service/files.ts';

/** What failed with a receiver, for people, with what to do where that is known. Only codes are read, never content. */
export function syslogReason(error: unknown, address: Address): string {
  const code = errorCode(error);
  const where = formatAddress(address);
  const known = REASONS.find(([pattern]) => pattern.test(code))?.[1] ?? 'the connection failed';
  return `${where}: ${known} (${code.slice(0, 100)})`;
}

/** By error code of the system, of OpenSSL's verification (X509_V_ERR_…, as Node names them) and of TLS alerts. */
const REASONS: readonly (readonly [code: RegExp, reason: string])[] = [
  [/^ECONNREFUSED$/, 'nothing listens there'],
  [/^(ENOTFOUND|EAI_)/, 'the name of the receiver could not be resolved'],
  [/^(ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EHOSTDOWN)$/, 'the receiver cannot be reached'],
  [/^(ECONNRESET|EPIPE|ECONNABORTED)$/, 'the receiver broke the connection off'],
  [/^CERT_HAS_EXPIRED$/, 'the certificate of the receiver has expired'],
  [/^CERT_NOT_YET_VALID$/, 'the certificate of the receiver is not valid yet; is the clock right?'],
  [/^ERR_TLS_CERT_ALTNAME_INVALID$/, 'the certificate of the receiver is for another name than the one in sink-syslog'],
  [
    /^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_UNTRUSTED|CERT_SIGNATURE_FAILURE|INVALID_CA)/,
    'the certificate of the receiver was not issued by an authority in sink-syslog-ca',
  ],
  [
    /^ERR_SSL_.*ALERT_.*(CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED|HANDSHAKE_FAILURE)/,
    'the receiver does not accept our certificate; set sink-syslog-cert and sink-syslog-key to one that it permits',
  ],
  [/^ERR_SSL_.*(PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL)/, 'the receiver does not speak TLS 1.2 or later'],
  [
    /^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|TLSV1_ALERT_DECODE_ERROR|HTTP_REQUEST)/,
    'the receiver does not speak TLS on this port; tcp:// in sink-syslog is without it',
  ],
];
