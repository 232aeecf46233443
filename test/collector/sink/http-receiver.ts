import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { issueCertificate } from '../../../service/tls/issue.ts';

/** A request as it arrived. */
export interface Received {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What is answered. `reset`: the connection is cut instead. */
export type Answer =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string }
  | { readonly reset: true };

/** A receiver over HTTPS that answers as a test says. */
export interface HttpTestReceiver {
  readonly url: string;
  readonly caFile: string;
  /** A file with a secret, as `secretFile`. */
  readonly secret: (text: string) => string;
  /** Every request that was read completely, whatever was answered. */
  readonly requests: readonly Received[];
  readonly answer: (give: (request: Received) => Answer) => void;
  readonly stop: () => Promise<void>;
  readonly start: () => Promise<void>;
}

/** Starts a receiver on a free port of the loopback interface; it ends with the test. */
export async function startHttpReceiver(t: Test, give: (request: Received) => Answer): Promise<HttpTestReceiver> {
  const authority = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  const issued = await issueCertificate({ kind: 'server', names: ['127.0.0.1'] }, authority, Date.now());
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-http-sink-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const caFile = join(directory, 'ca.pem');
  writeFileSync(caFile, authority.certificatePem);
  const requests: Received[] = [];
  let respond = give;
  const server: Server = createServer({ cert: issued.certificatePem, key: issued.keyPem }, (request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const received = {
        url: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(parts).toString('utf8'),
      };
      requests.push(received);
      const answer = respond(received);
      if ('reset' in answer) request.socket.destroy();
      else response.writeHead(answer.status, answer.headers ?? {}).end(answer.body ?? '');
    });
  });
  let port = 0;
  const start = (): Promise<void> =>
    new Promise((resolve) => {
      server.listen(port, '127.0.0.1', () => {
        ({ port } = server.address() as AddressInfo);
        resolve();
      });
    });
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  await start();
  t.teardown(() => (server.listening ? stop() : undefined));
  return {
    url: `https://127.0.0.1:${String(port)}/in`,
    caFile,
    secret: (text) => {
      const path = join(directory, 'secret');
      writeFileSync(path, `${text}\n`);
      return path;
    },
    requests,
    answer: (next) => {
      respond = next;
    },
    stop,
    start,
  };
}
