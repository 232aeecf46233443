import { open } from 'node:fs/promises';
import { parseJson } from '../../api/answer.ts';
import { collectorStatus } from '../../api/status.ts';
import type { FleetStatus } from '../../api/status.ts';
import { apiUrl } from '../../service/config/api-url.ts';
import type { Settings } from '../../service/config/settings.ts';
import { isOperatorToken } from '../../service/operator-token.ts';
import type { ApiSettings } from '../api/connect.ts';
import { trustApi } from '../api/trust-api.ts';
import { connectionReason } from './connection-reason.ts';
import type { ConnectionReason } from './connection-reason.ts';

/** What listens at the address of the operator API. */
export type ApiAnswer =
  /** A collector that accepted the token; `status` is undefined where it is not understood. */
  | { readonly kind: 'collector'; readonly status: FleetStatus | undefined; readonly dateMs: number }
  /** A collector that did not accept the token, or was not sent one because it could not be read. */
  | { readonly kind: 'closed'; readonly tokenSent: boolean; readonly dateMs: number }
  | { readonly kind: 'foreign'; readonly status: number }
  | { readonly kind: 'silent'; readonly reason: ConnectionReason };

const DEADLINE_MS = 1_500;
const MAX_BYTES = 4 * 1024 * 1024;
const MAX_TOKEN_BYTES = 1024;

/**
 * Requests the status from the operator API that the settings name, with the token in the token file if it can be read.
 * The token is sent only after a first response like a collector's: another program may listen there.
 */
export async function askApi(
  settings: ApiSettings & Pick<Settings, 'tokenFile'>,
  signal: AbortSignal,
): Promise<ApiAnswer> {
  const url = `${apiUrl(settings)}/v1/status`;
  await trustApi(settings);
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
    const token = await readToken(settings.tokenFile);
    if (token === undefined) return { kind: 'closed', tokenSent: false, dateMs: dateOf(first) };
    const { response, text } = await ask({ authorization: `Bearer ${token}` });
    const dateMs = dateOf(response);
    if (asksForToken(response)) return { kind: 'closed', tokenSent: true, dateMs };
    // A collector of an older version does not have this path.
    if (response.status === 404) return { kind: 'collector', status: undefined, dateMs };
    // Or its status has another form. A collector that is busy or whose store fails answers with an error.
    const parsed = response.status === 200 ? parseJson(text, collectorStatus) : undefined;
    return { kind: 'collector', status: parsed?.ok === true ? parsed.value : undefined, dateMs };
  } catch (error) {
    return { kind: 'silent', reason: connectionReason(error) };
  }
}

/** The response of the operator API to a request without a token; RFC 6750, section 3. */
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

/** Undefined where the file cannot be read or contains no token: the diagnostic operator-token reports why. */
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
