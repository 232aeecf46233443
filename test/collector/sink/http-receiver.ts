import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Test } from 'tap';
import { issueCertificate } from '../../../service/tls/issue.ts';

/** A request as it arrived. */
export interface Received {
  readonly url: string;
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  /** The bytes as UTF-8, decompressed. */
  readonly body: string;
}

/**
 * What is answered. `misbehave`: the connection is cut before or within the answer, nothing is answered, or the answer
 * never ends.
 */
export type Answer =
  | {
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string | Uint8Array;
      /** The answer begins after this time. */
      readonly delayMs?: number;
    }
  | { readonly misbehave: 'resets' | 'cuts-answer' | 'is-silent' | 'never-ends' | 'is-no-http' };

/** A receiver over HTTPS that answers as a test says. */
export interface HttpTestReceiver {
  readonly url: string;
  readonly caFile: string;
  /** A file with a secret, as `secretFile`. */
  readonly secret: (text: string) => string;
  /** Every request that was read completely, whatever was answered. Empty if they are not kept. */
  readonly requests: readonly Received[];
  readonly answer: (give: (request: Received) => Answer) => void;
  readonly stop: () => Promise<void>;
  readonly start: () => Promise<void>;
}

/** Starts a receiver on a free port of the loopback interface; it ends with the test. */
export async function startHttpReceiver(
  t: Test,
  give: (request: Received) => Answer,
  keepsRequests = true,
): Promise<HttpTestReceiver> {
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
      const bytes = Buffer.concat(parts);
      const received = {
        url: request.url ?? '',
        method: request.method ?? '',
        headers: request.headers,
        bytes,
        body: (request.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes).toString('utf8'),
      };
      if (keepsRequests) requests.push(received);
      const answer = respond(received);
      if ('misbehave' in answer) misbehave(answer.misbehave, response);
      else {
        const { status, headers = {}, body = '', delayMs = 0 } = answer;
        setTimeout(() => response.writeHead(status, headers).end(body), delayMs);
      }
    });
  });
  // A client that does not trust the certificate breaks off the handshake.
  server.on('tlsClientError', () => undefined);
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

type Misbehaviour = Extract<Answer, { readonly misbehave: unknown }>['misbehave'];

/** In place of an answer. All of it ends when the client, or the test, ends the connection. */
function misbehave(how: Misbehaviour, response: ServerResponse): void {
  const { socket } = response;
  switch (how) {
    case 'resets':
      return void socket?.destroy();
    case 'is-no-http':
      return void socket?.end('220 mail.example ESMTP\r\n');
    case 'cuts-answer':
      response.writeHead(200, { 'content-length': '100' }).write('{"');
      return void setTimeout(() => socket?.destroy(), 5);
    case 'is-silent':
      return;
    case 'never-ends': {
      response.writeHead(200).write('{"a":"');
      const drip = setInterval(() => response.write('x'), 20);
      return void response.on('close', () => clearInterval(drip));
    }
  }
}
