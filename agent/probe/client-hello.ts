import { randomBytes } from 'node:crypto';

/** The versions that are asked for, oldest first, as node names them. */
export const TLS_VERSIONS = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const;
/** One of {@link TLS_VERSIONS}. */
export type TlsVersion = (typeof TLS_VERSIONS)[number];

/** Numbers of the versions on the wire (RFC 8446 section 4.2.1). */
export const VERSION_NUMBERS: Readonly<Record<TlsVersion, number>> = Object.freeze({
  TLSv1: 0x0301,
  'TLSv1.1': 0x0302,
  'TLSv1.2': 0x0303,
  'TLSv1.3': 0x0304,
});

// Every suite that a server of the last twenty years may insist on and that uses a certificate: ECDHE, DHE and
// RSA with AES or ChaCha20 (IANA TLS parameters). What is weak among them is only offered, no data is sent.
const OLD_SUITES = [
  0xc02b, 0xc02c, 0xc02f, 0xc030, 0xcca9, 0xcca8, 0xc023, 0xc027, 0xc009, 0xc00a, 0xc013, 0xc014, 0x009e, 0x009f,
  0x0067, 0x006b, 0x0033, 0x0039, 0x009c, 0x009d, 0x003c, 0x003d, 0x002f, 0x0035, 0x000a,
];
/** ECDHE with AES-GCM or ChaCha20 (RFC 5289, RFC 7905): forward secrecy and authenticated encryption. */
const STRONG_SUITES = new Set([0xc02b, 0xc02c, 0xc02f, 0xc030, 0xcca9, 0xcca8]);
const WEAK_SUITES = OLD_SUITES.filter((suite) => !STRONG_SUITES.has(suite));
const TLS13_SUITES = [0x1301, 0x1302, 0x1303];
/** TLS_EMPTY_RENEGOTIATION_INFO_SCSV (RFC 5746): some servers refuse clients without it. */
const RENEGOTIATION_INFO = 0x00ff;

const GROUPS = [0x001d, 0x0017, 0x0018, 0x0019]; // x25519, secp256r1, secp384r1, secp521r1
const X25519 = 0x001d;
const SIGNATURE_ALGORITHMS = [
  0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b, 0x0401, 0x0501, 0x0601,
  0x0203, 0x0201,
];

const EXTENSION = { groups: 10, pointFormats: 11, signatureAlgorithms: 13, supportedVersions: 43, keyShare: 51 };

/**
 * A ClientHello record that offers this version and no other: handshake messages up to TLS 1.2 answer it in clear text,
 * which no TLS library shows its user (RFC 5246 section 7.4.1.2, RFC 8446 section 4.1.2). `weak`: it offers no suite of
 * TLS 1.2 with both forward secrecy and authenticated encryption.
 */
export function clientHello(version: TlsVersion, suites: 'all' | 'weak' = 'all'): Buffer {
  const isModern = version === 'TLSv1.3';
  const extensions = [
    extension(EXTENSION.groups, vector16(words(GROUPS))),
    extension(EXTENSION.pointFormats, Buffer.of(1, 0)),
    extension(EXTENSION.signatureAlgorithms, vector16(words(SIGNATURE_ALGORITHMS))),
  ];
  if (isModern) {
    // Any 32 bytes are a point of x25519; the exchange is not carried on.
    const share = Buffer.concat([words([X25519]), vector16(randomBytes(32))]);
    extensions.push(
      extension(EXTENSION.supportedVersions, Buffer.concat([Buffer.of(2), words([VERSION_NUMBERS[version]])])),
      extension(EXTENSION.keyShare, vector16(share)),
    );
  }
  const body = Buffer.concat([
    words([Math.min(VERSION_NUMBERS[version], VERSION_NUMBERS['TLSv1.2'])]),
    randomBytes(32),
    Buffer.of(0),
    vector16(words([...(isModern ? TLS13_SUITES : suites === 'weak' ? WEAK_SUITES : OLD_SUITES), RENEGOTIATION_INFO])),
    Buffer.of(1, 0),
    vector16(Buffer.concat(extensions)),
  ]);
  const CLIENT_HELLO = 1;
  const HANDSHAKE = 22;
  const message = Buffer.concat([Buffer.of(CLIENT_HELLO, 0), words([body.length]), body]);
  return Buffer.concat([Buffer.of(HANDSHAKE), words([VERSION_NUMBERS.TLSv1]), vector16(message)]);
}

function words(values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  for (const [index, value] of values.entries()) bytes.writeUInt16BE(value, index * 2);
  return bytes;
}

const vector16 = (content: Buffer): Buffer => Buffer.concat([words([content.length]), content]);

const extension = (type: number, content: Buffer): Buffer => Buffer.concat([words([type]), vector16(content)]);
