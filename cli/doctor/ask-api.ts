import { open } from 'node:fs/promises';
import { parseJson } from '../../api/answer.ts';
import { collectorStatus } from '../../api/status.ts';
import type { FleetStatus } from '../../api/status.ts';
import { formatAddress, loopbackOf } from '../../service/config/kind.ts';
import type { Address } from '../../service/config/kind.ts';
import { isOperatorToken } from '../../service/operator-token.ts';
import { connectionReason } from './connection-reason.ts';
import type { ConnectionReason } from './connection-reason.ts';

/** What answers at the address of the operator API. */
export type ApiAnswer =
  /** A collector that took the token; undefined: it gave no status that can be read. */
  | { readonly kind: 'collector'; readonly status: FleetStatus | undefined; readonly dateMs: number }
  /** A collector; the token was not accepted, or there was none to show. */
  | { readonly kind: 'closed'; readonly tokenShown: boolean; readonly dateMs: number }
  | { readonly kind: 'foreign'; readonly status: number }
  | { readonly kind: 'silent'; readonly reason: ConnectionReason };

const DEADLINE_MS = 1_500;
const MAX_BYTES = 4 * 1024 * 1024;
const MAX_TOKEN_BYTES = 1024;

/**
 * Asks the operator API at `address` for its status, with the token in `tokenFile` if that can be read. The token is
 * shown only to what has answered like a collector before: some other program may listen there.
 */
export async function askApi(address: Address, tokenFile: string, signal: AbortSignal): Promise<ApiAnswer> {
  const url = `http://${formatAddress(loopbackOf(address))}/v1/status`;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]);
  const ask = async (
    headers: Record<string, string>,
  ): Promise<{ readonly response: Response; readonly text: string }> => {
    const response = await fetch(url, { headers, redirect: 'manual', signal: limit });
    return { response, text: await readText(response) };
  };
  try {
    const { response: first } = await ask({});
    if (!asksForToken(first)) return { kind: 'foreign', status: first.status };
    const token = await readToken(tokenFile);
    if (token === undefined) return { kind: 'closed', tokenShown: false, dateMs: dateOf(first) };
    const { response, text } = await ask({ authorization: `Bearer ${token}` });
    const dateMs = dateOf(response);
    if (asksForToken(response)) return { kind: 'closed', tokenShown: true, dateMs };
    // A collector that does not know this path is of an older version.
    if (response.status === 404) return { kind: 'collector', status: undefined, dateMs };
    // So is one whose status has another form; one that is busy or whose store fails answers with an error.
    const parsed = response.status === 200 ? parseJson(text, collectorStatus) : undefined;
    return { kind: 'collector', status: parsed?.ok === true ? parsed.value : undefined, dateMs };
  } catch (error) {
    return { kind: 'silent', reason: connectionReason(error) };
  }
}

/** As our API refuses who shows no token; RFC 6750, section 3. */
function asksForToken(response: Response): boolean {
  return response.status === 401 && response.headers.get('www-authenticate') === 'Bearer realm="plimsoll"';
}

function dateOf(response: Response): number {
  return Date.parse(response.headers.get('date') ?? '');
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_BYTES) return '';
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Undefined where it cannot be read or is none: the examination of the file says why. */
async function readToken(path: string): Promise<string | undefined> {
  const file = await open(path, 'r').catch(() => undefined);
  try {
    const read = await file?.read(Buffer.alloc(MAX_TOKEN_BYTES), 0, MAX_TOKEN_BYTES, 0);
    const token = read?.buffer.toString('latin1', 0, read.bytesRead).trim() ?? '';
    return isOperatorToken(token) ? token : undefined;
  } catch {
    return undefined;
  } finally {
    await file?.close();
  }
}
