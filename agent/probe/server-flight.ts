/** What a server's first answer to a ClientHello says. */
export interface ServerFlight {
  /** `more`: it is not complete yet. `notTls`: these bytes are no TLS. */
  readonly state: 'more' | 'complete' | 'notTls';
  /** Version that the server chose, by its number; 0: none yet. */
  readonly version: number;
  /** DER of the server's own certificate, where it was sent in clear text (up to TLS 1.2). */
  readonly certificate: Buffer | undefined;
  /** A CertificateRequest was sent in clear text. */
  readonly requestsCertificate: boolean;
  /** Number of a fatal alert. */
  readonly alert: number | undefined;
}

const CONTENT = { changeCipherSpec: 20, alert: 21, handshake: 22, applicationData: 23 };
const MESSAGE = { serverHello: 2, certificate: 11, certificateRequest: 13, serverHelloDone: 14 };
const MAX_RECORD_BYTES = 16_384 + 2048; // RFC 5246 section 6.2.3
const SUPPORTED_VERSIONS = 43;
const TLS13 = 0x0304;
const WARNING = 1;

/**
 * Reads TLS records (RFC 5246 section 6.2: type, version, length, content) as far as they are in clear text: ServerHello,
 * Certificate, CertificateRequest, ServerHelloDone, or an alert. Never throws, whatever the bytes.
 */
export function parseServerFlight(bytes: Buffer): ServerFlight {
  const handshake: Buffer[] = [];
  let end: 'more' | 'complete' = 'more';
  let alert: number | undefined;
  for (let at = 0; at < bytes.length && end === 'more';) {
    const type = bytes.readUInt8(at);
    if (type < CONTENT.changeCipherSpec || type > CONTENT.applicationData) return NOT_TLS;
    if (at + 1 < bytes.length && bytes.readUInt8(at + 1) !== 3) return NOT_TLS;
    if (at + 5 > bytes.length) break;
    const length = bytes.readUInt16BE(at + 3);
    if (length > MAX_RECORD_BYTES) return NOT_TLS;
    const content = bytes.subarray(at + 5, at + 5 + length);
    if (content.length < length) break;
    at += 5 + length;
    if (type === CONTENT.handshake) handshake.push(content);
    else if (type === CONTENT.alert && content[0] === WARNING) continue;
    else {
      // A fatal alert; or what comes now is encrypted.
      if (type === CONTENT.alert) alert = content[1];
      end = 'complete';
    }
  }
  return readMessages(Buffer.concat(handshake), end, alert);
}

function readMessages(bytes: Buffer, end: 'more' | 'complete', alert: number | undefined): ServerFlight {
  let isDone = false;
  let version = 0;
  let certificate: Buffer | undefined;
  let requestsCertificate = false;
  for (let at = 0; at + 4 <= bytes.length && !isDone;) {
    const length = bytes.readUIntBE(at + 1, 3);
    const body = bytes.subarray(at + 4, at + 4 + length);
    if (body.length < length) break;
    switch (bytes.readUInt8(at)) {
      case MESSAGE.serverHello:
        version = chosenVersion(body);
        // From here on TLS 1.3 is encrypted.
        isDone = version === TLS13;
        break;
      case MESSAGE.certificate:
        certificate = firstCertificate(body);
        break;
      case MESSAGE.certificateRequest:
        requestsCertificate = true;
        break;
      case MESSAGE.serverHelloDone:
        isDone = true;
        break;
      default:
        break;
    }
    at += 4 + length;
  }
  return { state: isDone ? 'complete' : end, version, certificate, requestsCertificate, alert };
}

const NOT_TLS: ServerFlight = Object.freeze({
  state: 'notTls',
  version: 0,
  certificate: undefined,
  requestsCertificate: false,
  alert: undefined,
});

/** ServerHello: version, random (32), session id, suite (2), compression (1), extensions. */
function chosenVersion(body: Buffer): number {
  if (body.length < 35) return 0;
  const version = body.readUInt16BE(0);
  let at = 35 + body.readUInt8(34) + 3;
  if (at + 2 > body.length) return version;
  const end = Math.min(body.length, at + 2 + body.readUInt16BE(at));
  at += 2;
  while (at + 4 <= end) {
    const type = body.readUInt16BE(at);
    const length = body.readUInt16BE(at + 2);
    if (type === SUPPORTED_VERSIONS && length === 2 && at + 6 <= end) return body.readUInt16BE(at + 4);
    at += 4 + length;
  }
  return version;
}

/** Certificate up to TLS 1.2: length of the list (3), then length (3) and DER of each, the server's own first. */
function firstCertificate(body: Buffer): Buffer | undefined {
  if (body.length < 6) return undefined;
  const length = body.readUIntBE(3, 3);
  const der = body.subarray(6, 6 + length);
  return der.length === length && length > 0 ? Buffer.from(der) : undefined;
}
