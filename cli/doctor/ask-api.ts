import { open } from 'node:fs/promises';
import { formatAddress, loopbackOf } from '../../service/config/kind.ts';
import type { Address } from '../../service/config/kind.ts';
import { isOperatorToken } from '../../service/operator-token.ts';
import { parseJson } from '../api/client.ts';
import { collectorStatus } from '../api/shape.ts';
import type { FleetStatus } from '../api/shape.ts';
import { connectionReason } from './connection-reason.ts';
import type { ConnectionReason } from './connection-reason.ts';

/** What answers at the address of the operator API. */
export type ApiAnswer =
  /** A collector that took the token; undefined: of a version that does not tell its status. */
  | { readonly kind: 'collector'; readonly status: FleetStatus | undefined; readonly dateMs: number }
  /** A collector; the token was not accepted, or there was none to show. */
  | { readonly kind: 'closed'; readonly tokenShown: boolean; readonly dateMs: number }
  | { readonly kind: 'foreign'; readonly status: number }
  | { readonly kind: 'silent'; readonly reason: ConnectionReason };

const DEADLINE_MS = 1_500;
const MAX_BYTES = 4 * 1024 * 1024;
const MAX_TOKEN_BYTES = 1024;

/** Asks the operator API at `address` for its status, with the token in `tokenFile` if that can be read. */
export async function askApi(address: Address, tokenFile: string, signal: AbortSignal): Promise<ApiAnswer> {
  const token = await readToken(tokenFile);
  const url = `http://${formatAddress(loopbackOf(address))}/v1/status`;
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]);
    const response = await fetch(url, { headers, redirect: 'manual', signal: limit });
    const dateMs = Date.parse(response.headers.get('date') ?? '');
    const text = await readText(response);
    const isOurs = response.headers.get('www-authenticate') === 'Bearer realm="plimsoll"';
    if (response.status === 401 && isOurs) return { kind: 'closed', tokenShown: token !== undefined, dateMs };
    const parsed = parseJson(text, collectorStatus);
    if (response.status === 200 && parsed.ok) return { kind: 'collector', status: parsed.value, dateMs };
    return { kind: 'foreign', status: response.status };
  } catch (error) {
    return { kind: 'silent', reason: connectionReason(error) };
  }
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
