import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';
import type { KubernetesAccess } from '../../kubernetes/access.ts';
import { issueCertificate } from '../../service/tls/issue.ts';

/** What the server was asked. */
export interface AskedRequest {
  readonly method: string;
  readonly path: string;
  readonly authorization: string;
  readonly accept: string;
  readonly body: unknown;
}

/** A response: status and body. A string is sent as it is; `hang` sends nothing. */
export type ApiResponse = { readonly status?: number; readonly body: unknown } | 'hang' | 'reset' | 'endless';

/** An HTTPS server in the place of a Kubernetes API server, which answers as a test wants. */
export interface TestApiServer {
  readonly access: KubernetesAccess;
  readonly asked: AskedRequest[];
  /** By method and path. What is not listed is HTTP 404 with a `Status` object. */
  readonly responses: Map<string, ApiResponse>;
}

/** Starts the server on loopback, with a CA of its own. */
export async function startApiServer(t: Test, token = 'collector-token'): Promise<TestApiServer> {
  const ca = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  const leaf = await issueCertificate({ kind: 'server', names: ['127.0.0.1'] }, ca, Date.now());
  const responses: TestApiServer['responses'] = new Map();
  const asked: AskedRequest[] = [];
  const server = createServer({ cert: leaf.certificatePem, key: leaf.keyPem }, (request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const text = Buffer.concat(parts).toString();
      const { method = '', url: path = '', headers } = request;
      const { authorization = '', accept = '' } = headers;
      asked.push({ method, path, authorization, accept, body: text === '' ? undefined : JSON.parse(text) });
      const known = responses.get(`${method} ${path}`) ?? {
        status: 404,
        body: { kind: 'Status', message: `${path} not found` },
      };
      if (known === 'hang') return;
      if (known === 'reset') return void request.socket.destroy();
      response.setHeader('content-type', 'application/json');
      if (known === 'endless') {
        response.on('error', () => undefined);
        const more = (): void => {
          if (!response.destroyed) response.write(' '.repeat(64 * 1024), more);
        };
        return more();
      }
      response.statusCode = known.status ?? 200;
      response.end(typeof known.body === 'string' ? known.body : JSON.stringify(known.body));
    });
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const credentials = () => Promise.resolve({ ca: ca.certificatePem, token });
  return { access: { address: { host: '127.0.0.1', port }, basePath: '', credentials }, asked, responses };
}
