import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Address } from './config/kind.ts';

/** Answers probes until it is closed. */
export interface HealthListener {
  readonly address: Address;
  readonly close: () => void;
}

/** A kubelet opens one connection a probe. */
const MAX_CONNECTIONS = 16;
const REQUEST_TIMEOUT_MS = 2_000;
const MAX_HEADER_BYTES = 4_096;

/**
 * Opens an HTTP listener for the probes of an orchestrator. `GET /livez` answers 200 while the event loop runs;
 * `GET /readyz` answers 503 with the reason as long as there is one, otherwise 200. Everything else is 404; nothing of a
 * request is used but method and path. Rejects with the error of the operating system if the port cannot be opened.
 */
export async function openHealthListener(
  listen: Address,
  unreadiness: () => string | undefined,
): Promise<HealthListener> {
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: REQUEST_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: REQUEST_TIMEOUT_MS,
    },
    ({ method, url }, response) => {
      const isRead = method === 'GET' || method === 'HEAD';
      const isKnown = isRead && (url === '/livez' || url === '/readyz');
      const reason = url === '/readyz' ? unreadiness() : undefined;
      const answer = reason === undefined ? ([200, 'ok'] as const) : ([503, `not ready: ${reason}`] as const);
      const [status, body] = isKnown ? answer : [404, 'not found'];
      response.writeHead(status, { 'content-type': 'text/plain', connection: 'close' }).end(`${body}\n`);
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  server.timeout = REQUEST_TIMEOUT_MS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(listen.port, listen.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return { address: { host: listen.host, port }, close };
}
