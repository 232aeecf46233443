import { stringAt } from './public-key.ts';

/** The key itself is in a token, sk-api of PROTOCOL.u2f: the file alone opens nothing. */
const IN_TOKEN = /^sk-/;
const PEM = /^-----BEGIN (?:(?:RSA|DSA|EC) )?PRIVATE KEY-----\r?\n(Proc-Type: 4,ENCRYPTED)?/gm;

const OPENSSH = '-----BEGIN OPENSSH PRIVATE KEY-----';
const MAGIC = Buffer.from('openssh-key-v1\0', 'latin1');

/**
 * Is this a private key, and does it need a passphrase? Only the format is looked at: PROTOCOL.key of OpenSSH (its first
 * string names the cipher, `none` without a passphrase), RFC 1421 (`Proc-Type: 4,ENCRYPTED`), RFC 5958
 * (`ENCRYPTED PRIVATE KEY`), and the `Encryption` line of PuTTY. undefined: no private key.
 */
export function privateKeyFormat(bytes: Buffer): 'plain' | 'encrypted' | undefined {
  const head = bytes.toString('latin1', 0, 512).trimStart();
  if (head.startsWith(OPENSSH)) {
    const section = openSshSection(bytes);
    if (section === undefined || IN_TOKEN.test(stringAt(section.publicKey, 0)?.toString('latin1') ?? ''))
      return undefined;
    return section.cipher === 'none' ? 'plain' : 'encrypted';
  }
  // OpenSSL passes over what stands before such a block: certificates, text.
  const text = bytes.toString('latin1');
  const blocks = [...text.matchAll(PEM)];
  if (blocks.length > 0) return blocks.every(([, encrypted]) => encrypted !== undefined) ? 'encrypted' : 'plain';
  if (/^-----BEGIN ENCRYPTED PRIVATE KEY-----/m.test(text)) return 'encrypted';
  if (/^PuTTY-User-Key-File-\d:/.test(head)) return /^Encryption: none\r?$/m.test(head) ? 'plain' : 'encrypted';
  return undefined;
}

/** The unencrypted start of a private key of OpenSSH: its cipher and its public key. undefined: another format. */
export function openSshSection(bytes: Buffer): { readonly cipher: string; readonly publicKey: Buffer } | undefined {
  const text = bytes.toString('latin1').trimStart();
  if (!text.startsWith(OPENSSH)) return undefined;
  const end = text.indexOf('-----END', OPENSSH.length);
  const binary = Buffer.from(text.slice(OPENSSH.length, end === -1 ? undefined : end), 'base64');
  if (!binary.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  const cipher = stringAt(binary, MAGIC.length);
  const kdf = cipher && stringAt(binary, MAGIC.length + 4 + cipher.length);
  const options = cipher && kdf && stringAt(binary, MAGIC.length + 8 + cipher.length + kdf.length);
  if (cipher === undefined || kdf === undefined || options === undefined) return undefined;
  // Four bytes with the number of keys, which is 1, come before the first.
  const publicKey = stringAt(binary, MAGIC.length + 16 + cipher.length + kdf.length + options.length);
  return publicKey === undefined ? undefined : { cipher: cipher.toString('latin1'), publicKey };
}
