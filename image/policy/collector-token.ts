import { readBoundedText } from './bounded-text.ts';

/** A token, or why it could not be read. */
type CollectorToken = { readonly ok: true; readonly token: string } | { readonly ok: false; readonly reason: string };

const MAX_TOKEN_BYTES = 16 * 1024;

/** Reads an operator token from a file. Never rejects; the reason quotes nothing of the file. */
export async function readCollectorToken(path: string): Promise<CollectorToken> {
  const read = await readBoundedText(path, MAX_TOKEN_BYTES);
  if (!read.ok) return { ok: false, reason: `${path} ${read.reason}` };
  const token = read.text.trim();
  return /^[\w\-.~+/=]+$/.test(token) ? { ok: true, token } : { ok: false, reason: `${path} contains no token` };
}
