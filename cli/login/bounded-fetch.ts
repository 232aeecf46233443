import { readFile } from 'node:fs/promises';
import tls from 'node:tls';
import type { CustomFetch } from 'openid-client';
import { sendRequest } from '../../service/https-request.ts';

/** Bounds of one request to an identity provider. */
const MAX_BYTES = 256 * 1024;
const DEADLINE_MS = 10_000;

/** Statuses whose response has no body (Fetch standard, "null body status"). */
const WITHOUT_BODY: ReadonlySet<number> = new Set([101, 204, 205, 304]);

/**
 * `fetch` for openid-client: HTTPS only, follows no redirect, 10 s and 256 KiB for each response. `ca`: path of
 * authorities in PEM, or `system`. Rejects where the file cannot be read; requests reject with the error of the network.
 */
export async function openBoundedFetch(ca: string, signal: AbortSignal): Promise<CustomFetch> {
  // Taken now: a client of the operator API replaces what this process trusts.
  const authorities = ca === 'system' ? tls.getCACertificates('default').join('\n') : await readFile(ca, 'latin1');
  return async (url, { method, headers, body }) => {
    if (!url.startsWith('https://')) throw new Error(`${url.slice(0, 200)} is not an https URL`);
    const {
      status,
      headers: received,
      body: bytes,
    } = await sendRequest({
      url,
      method,
      headers,
      ...(body === undefined || body === null ? {} : { body: textOf(body) }),
      ca: authorities,
      maxBytes: MAX_BYTES,
      signal: AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]),
    });
    return new Response(WITHOUT_BODY.has(status) ? null : new Uint8Array(bytes), { status, headers: received });
  };
}

function textOf(body: unknown): string {
  if (typeof body === 'string') return body;
  if (body instanceof URLSearchParams) return body.toString();
  throw new TypeError('a request body of an unexpected type');
}
