import { createHash } from 'node:crypto';
import type { AuthorizedKey } from '../../../posture/fact/accounts.ts';

/** What a public key says about itself. */
export type PublicKey = Pick<AuthorizedKey, 'type' | 'bits' | 'fingerprint'>;

/** A line of an authorized_keys file; the file is left out. */
export type KeyLine = Omit<AuthorizedKey, 'path'>;

/** Sizes of key types that have one size. RFC 5656, RFC 8709, PROTOCOL.u2f of OpenSSH. */
const FIXED_BITS: ReadonlyMap<string, number> = new Map([
  ['ssh-ed25519', 256],
  ['ssh-ed448', 456],
  ['ecdsa-sha2-nistp256', 256],
  ['ecdsa-sha2-nistp384', 384],
  ['ecdsa-sha2-nistp521', 521],
  ['sk-ssh-ed25519@openssh.com', 256],
  ['sk-ecdsa-sha2-nistp256@openssh.com', 256],
]);

/** Options of sshd(8), AUTHORIZED_KEYS FILE FORMAT, in lower case. sshd refuses a line with any other. */
const OPTIONS: ReadonlySet<string> = new Set([
  'agent-forwarding',
  'cert-authority',
  'command',
  'environment',
  'expiry-time',
  'from',
  'no-agent-forwarding',
  'no-port-forwarding',
  'no-pty',
  'no-touch-required',
  'no-user-rc',
  'no-x11-forwarding',
  'permitlisten',
  'permitopen',
  'port-forwarding',
  'principals',
  'pty',
  'restrict',
  'touch-required',
  'tunnel',
  'user-rc',
  'verify-required',
  'x11-forwarding',
]);

/** Longer lines sshd refuses too: an RSA key of 16,384 bits takes 2.8 KiB. */
const MAX_LINE_LENGTH = 16 * 1024;

/**
 * The keys of an authorized_keys file: `[options] type base64 [comment]`, one a line. A line whose key is not what its
 * type says is no key, so of a file that holds anything else nothing comes out.
 */
export function parseAuthorizedKeys(text: string): readonly KeyLine[] {
  const keys: KeyLine[] = [];
  for (const line of text.split('\n')) {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#') || trimmed.length > MAX_LINE_LENGTH) continue;
    const plain = parsePublicKey(trimmed);
    if (plain !== undefined) {
      keys.push({ ...plain, options: [] });
      continue;
    }
    const options = parseOptions(trimmed);
    const key = options === undefined ? undefined : parsePublicKey(trimmed.slice(options.length).trimStart());
    if (options !== undefined && key !== undefined) keys.push({ ...key, options: options.names });
  }
  return keys;
}

/** `type base64 [comment]`, as in `ssh_host_ed25519_key.pub`. undefined: no key. */
export function parsePublicKey(line: string): PublicKey | undefined {
  const match = /^([a-z\d@.-]{1,64})[ \t]+([A-Za-z\d+/]{16,}={0,2})(?:[ \t\r]|$)/.exec(line);
  if (match?.[1] === undefined || match[2] === undefined) return undefined;
  const key = parseKeyBlob(Buffer.from(match[2], 'base64'));
  return key?.type === match[1] ? key : undefined;
}

/** A public key in the form of RFC 4253, 6.6: strings with a length before them, the type first. */
export function parseKeyBlob(blob: Buffer): PublicKey | undefined {
  const type = stringAt(blob, 0);
  if (type === undefined) return undefined;
  const name = type.toString('latin1');
  const fingerprint = `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
  const first = stringAt(blob, 4 + type.length);
  if (first === undefined) return undefined;
  const fixed = FIXED_BITS.get(name);
  if (fixed !== undefined) return { type: name, bits: fixed, fingerprint };
  if (name === 'ssh-dss') return { type: name, bits: bitLength(first), fingerprint };
  if (name !== 'ssh-rsa') return undefined;
  // The exponent comes before the modulus.
  const modulus = stringAt(blob, 8 + type.length + first.length);
  return modulus === undefined ? undefined : { type: name, bits: bitLength(modulus), fingerprint };
}

/** The string at `offset` with its length before it; undefined where the bytes end before it does. */
export function stringAt(bytes: Buffer, offset: number): Buffer | undefined {
  if (offset + 4 > bytes.length) return undefined;
  const length = bytes.readUInt32BE(offset);
  return offset + 4 + length > bytes.length ? undefined : bytes.subarray(offset + 4, offset + 4 + length);
}

function bitLength(number: Buffer): number {
  const start = number.findIndex((byte) => byte !== 0);
  return start === -1 ? 0 : (number.length - start) * 8 - (Math.clz32(number[start] ?? 0) - 24);
}

/** Options before a key: names without their values, and how long they are. undefined: these are no options. */
function parseOptions(line: string): { readonly names: readonly string[]; readonly length: number } | undefined {
  const names: string[] = [];
  let position = 0;
  for (;;) {
    const name = /^[A-Za-z\d-]{1,32}/.exec(line.slice(position, position + 33))?.[0].toLowerCase();
    if (name === undefined || !OPTIONS.has(name)) return undefined;
    if (!names.includes(name)) names.push(name);
    position += name.length;
    if (line.startsWith('="', position)) {
      position = endOfQuote(line, position + 2);
      if (position === -1) return undefined;
    }
    const next = line[position];
    if (next === ' ' || next === '\t') return { names, length: position };
    if (next !== ',') return undefined;
    position += 1;
  }
}

/** After the closing quote; `\"` is a quote within. -1: it does not close. */
function endOfQuote(line: string, start: number): number {
  for (let index = start; index < line.length; index += 1) {
    if (line[index] === '\\' && line[index + 1] === '"') index += 1;
    else if (line[index] === '"') return index + 1;
  }
  return -1;
}
