import { timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Waits for the browser that an issuer sends back (RFC 8252, section 7.3). */
export interface RedirectListener {
  readonly redirectUri: string;
  /** Resolves to the URL of the redirect with the right state; rejects with the reason of `signal`. */
  readonly redirect: Promise<URL>;
  readonly close: () => void;
}

/** What other programs of this machine can do to the listener. */
const MAX_CONNECTIONS = 16;
const MAX_HEADER_BYTES = 32 * 1024;
const REQUEST_TIMEOUT_MS = 5_000;
const PATH = '/callback';

/** Listens on 127.0.0.1. `port` 0: any free one. Rejects with the error of the system where it cannot. */
export async function openRedirectListener({
  port,
  state,
  signal,
}: {
  readonly port: number;
  readonly state: string;
  readonly signal: AbortSignal;
}): Promise<RedirectListener> {
  const arrived = Promise.withResolvers<URL>();
  // It may fail before anybody waits for it.
  arrived.promise.catch(() => undefined);
  const server = createServer({
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: REQUEST_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionsCheckingInterval: 1_000,
    keepAlive: false,
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  server.on('request', (request, response) => {
    const url = readRedirect(request, origin);
    if (url === undefined) return answer(response, 404, 'Not found.');
    // Another program, or a page in the browser, may call this address: it must not end the sign-in.
    if (!isSame(url.searchParams.get('state') ?? '', state)) return answer(response, 400, 'This is not the sign-in.');
    answer(response, 200, 'Return to the terminal. You can close this window.');
    arrived.resolve(url);
  });
  const stop = (): void => arrived.reject(signal.reason as Error);
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  return {
    redirectUri: origin + PATH,
    redirect: arrived.promise,
    close: () => {
      signal.removeEventListener('abort', stop);
      server.close();
      server.closeIdleConnections();
      setTimeout(() => server.closeAllConnections(), 200).unref();
    },
  };
}

function readRedirect({ method, url, headers }: IncomingMessage, origin: string): URL | undefined {
  // The name of another site that resolves to 127.0.0.1 is not ours.
  if (method !== 'GET' || `http://${headers.host ?? ''}` !== origin) return undefined;
  const parsed = URL.parse(url ?? '', origin);
  return parsed?.origin === origin && parsed.pathname === PATH ? parsed : undefined;
}

function isSame(given: string, expected: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(expected)];
  return one.length === other.length && timingSafeEqual(one, other);
}

function answer(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    connection: 'close',
  });
  response.end(`${text}\n`);
}
