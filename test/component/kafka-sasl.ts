import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';

/** Whom a broker of a test lets in. `liar`: it accepts every proof, and cannot prove that it knows the password. */
export interface SaslAccount {
  readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256';
  readonly user: string;
  readonly password: string;
  readonly liar?: boolean;
}

const HANDSHAKE = 17;
const AUTHENTICATE = 36;
const UNSUPPORTED_MECHANISM = 33;
const AUTHENTICATION_FAILED = 58;
const ITERATIONS = 4096;

/** The answers of one connection to SaslHandshake (version 1) and SaslAuthenticate (version 2); undefined: to others. */
export function saslServer(account: SaslAccount): (request: Buffer) => Buffer | undefined {
  const step = account.mechanism === 'PLAIN' ? plain(account) : scram(account);
  return (request) => {
    const api = request.readInt16BE(4);
    const correlation = request.subarray(8, 12);
    const body = request.subarray(14 + Math.max(0, request.readInt16BE(12)));
    if (api === HANDSHAKE) {
      const wanted = body.subarray(2).toString();
      const error = wanted === account.mechanism ? 0 : UNSUPPORTED_MECHANISM;
      return framed(
        correlation,
        int16(error),
        int32(1),
        int16(account.mechanism.length),
        Buffer.from(account.mechanism),
      );
    }
    if (api !== AUTHENTICATE) return undefined;
    // The tags of the header, and a length of one byte, or two.
    const [bytes, from] = compactLength(body.subarray(1));
    const answer = step(body.subarray(1 + from, 1 + from + bytes));
    const error = answer === undefined ? AUTHENTICATION_FAILED : 0;
    const text = Buffer.from(answer ?? '');
    return framed(correlation, Buffer.from([0]), int16(error), Buffer.from([0]), compact(text), Buffer.alloc(9));
  };
}

/** RFC 4616: an authorization identity, a name and a password, separated by NUL. */
function plain({ user, password }: SaslAccount) {
  return (message: Buffer): string | undefined => (message.toString() === `\0${user}\0${password}` ? '' : undefined);
}

/** RFC 5802 with SHA-256 (RFC 7677). */
function scram({ user, password, liar = false }: SaslAccount) {
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, ITERATIONS, 32, 'sha256');
  const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
  const sha = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest();
  let first = '';
  let challenge = '';
  return (message: Buffer): string | undefined => {
    const text = message.toString();
    if (challenge === '') {
      first = text.replace(/^n,,/, '');
      const [, name, nonce] = /^n=([^,]*),r=([^,]+)$/.exec(first) ?? [];
      if (name !== user || nonce === undefined) return undefined;
      challenge = `r=${nonce}${randomBytes(8).toString('hex')},s=${salt.toString('base64')},i=${String(ITERATIONS)}`;
      return challenge;
    }
    const [, without = '', proof = ''] = /^(c=biws,r=[^,]+),p=(.+)$/.exec(text) ?? [];
    const authMessage = `${first},${challenge},${without}`;
    const clientKey = hmac(salted, 'Client Key');
    const signature = hmac(sha(clientKey), authMessage);
    const expected = Buffer.from(clientKey.map((byte, index) => byte ^ (signature[index] ?? 0))).toString('base64');
    if (liar) return `v=${randomBytes(32).toString('base64')}`;
    return proof === expected ? `v=${hmac(hmac(salted, 'Server Key'), authMessage).toString('base64')}` : undefined;
  };
}

function compactLength(bytes: Buffer): readonly [length: number, size: number] {
  const first = bytes.readUInt8(0);
  return first < 0x80 ? [first - 1, 1] : [(first & 0x7f) + (bytes.readUInt8(1) << 7) - 1, 2];
}

function compact(bytes: Buffer): Buffer {
  const length = bytes.length + 1;
  const head = length < 0x80 ? [length] : [(length & 0x7f) | 0x80, length >> 7];
  return Buffer.concat([Buffer.from(head), bytes]);
}

function framed(...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([int32(body.length), body]);
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}
