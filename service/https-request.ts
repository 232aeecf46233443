import { request as requestPlain } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { request as requestSecure } from 'node:https';
import type { Agent } from 'node:https';
import { errorCode } from './files.ts';

/** A request over HTTPS; plain HTTP where the URL says so. */
export interface HttpRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | undefined;
  /** Authorities in PEM that may have signed the certificate of the server; undefined: those that Node trusts. */
  readonly ca: string | undefined;
  readonly maxBytes: number;
  /** Keeps connections for further requests; undefined: each request has its own. */
  readonly agent?: Agent | undefined;
  readonly signal: AbortSignal;
}

/** A response. Redirects are not followed. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/**
 * Sends a request with an authority of its own, which `fetch` cannot have. Rejects with an error that has a `code` where
 * no response comes, or with RangeError where it is larger than `maxBytes`.
 */
export async function sendRequest(wanted: HttpRequest): Promise<HttpResponse> {
  const { url, method, headers, body, ca, maxBytes, agent, signal } = wanted;
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const options = { method, headers: { ...headers, ...length }, signal };
    const sent = url.startsWith('http:')
      ? requestPlain(url, { ...options, agent: false }, resolve)
      : requestSecure(
          url,
          { ...options, agent: agent ?? false, minVersion: 'TLSv1.2', ...(ca === undefined ? {} : { ca }) },
          resolve,
        );
    sent.on('error', (error) => reject(Object.assign(new Error(errorCode(error)), { code: errorCode(error) })));
    sent.end(body);
  });
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > maxBytes) {
      response.destroy();
      throw new RangeError(`the response has more than ${String(maxBytes)} bytes`);
    }
    parts.push(part);
  }
  const texts = Object.entries(response.headers).flatMap(([name, value]) =>
    typeof value === 'string' ? [[name, value] as const] : [],
  );
  return { status: response.statusCode ?? 0, headers: Object.fromEntries(texts), body: Buffer.concat(parts) };
}
