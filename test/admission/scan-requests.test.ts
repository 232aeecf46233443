import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { startScanRequests } from '../../admission/scan-requests.ts';
import type { ScanRequests } from '../../admission/scan-requests.ts';
import { systemClock } from '../../service/clock.ts';
import type { LogFields } from '../../service/log.ts';
import { issueCertificate } from '../../service/tls/issue.ts';
import { temporaryDirectory } from '../cli/process.ts';
import { cpuMs } from '../fixture/cpu-time.ts';

const TOKEN = 'secret-token';
const imageOf = (index: number): string =>
  `registry.example.com/shop/app@sha256:${index.toString(16).padStart(64, '0')}`;

interface Rig {
  readonly requests: ScanRequests;
  /** Images that the server was asked for, in order. */
  readonly asked: readonly string[];
  readonly logs: readonly string[];
}

/** Requests to an HTTPS server that answers with `status`, as the operator API does. */
async function startRig(t: Test, status: () => number): Promise<Rig> {
  const authority = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  const leaf = await issueCertificate({ kind: 'server', names: ['127.0.0.1'] }, authority, Date.now());
  const asked: string[] = [];
  const listener = createServer({ cert: leaf.certificatePem, key: leaf.keyPem }, (request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (part: string) => (text += part));
    request.on('end', () => {
      if (request.headers.authorization !== `Bearer ${TOKEN}`) throw new Error('no token');
      asked.push(`${request.method ?? ''} ${request.url ?? ''} ${(JSON.parse(text) as { image: string }).image}`);
      response.writeHead(status(), { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const tokenFile = join(temporaryDirectory(t), 'token');
  writeFileSync(tokenFile, TOKEN);
  const stop = new AbortController();
  const logs: string[] = [];
  const log = ({ reason }: LogFields): void => void logs.push(String(reason));
  const requests = startScanRequests({
    server: {
      address: { host: '127.0.0.1', port: (listener.address() as AddressInfo).port },
      ca: authority.certificatePem,
      tokenFile,
    },
    clock: systemClock(),
    log: { debug: log, info: log, warn: log, error: log },
    signal: stop.signal,
    pauseMs: 1,
  });
  t.teardown(async () => {
    stop.abort();
    await requests.over;
    listener.closeAllConnections();
    listener.close();
  });
  return { requests, asked, logs };
}

async function until(isTrue: () => boolean): Promise<void> {
  for (let tries = 0; tries < 400 && !isTrue(); tries += 1) await new Promise((resolve) => setTimeout(resolve, 25));
  if (!isTrue()) throw new Error('it did not happen within 10 s');
}

void t.test('each image is asked for once, with the API of the collector', async (t) => {
  const { requests, asked } = await startRig(t, () => 200);
  const image = { reference: imageOf(1), namespace: 'prod' };
  for (let count = 0; count < 5; count += 1) t.equal(requests.add(image), 'asked');
  await until(() => asked.length > 0);
  t.equal(requests.add(image), 'asked', 'a retry of the controller');
  t.equal(requests.add({ reference: imageOf(2), namespace: 'prod' }), 'asked');
  await until(() => asked.length > 1);
  t.strictSame(asked, [`POST /v1/policies/scans ${imageOf(1)}`, `POST /v1/policies/scans ${imageOf(2)}`]);
  for (const reference of ['registry.example.com/app:1', '', 'A:B:C', `registry.example.com/${'a'.repeat(2000)}`])
    t.equal(requests.add({ reference, namespace: 'prod' }), 'off', 'not an image by its digest');
});

void t.test('10,000 images of one namespace do not keep another from being scanned', async (t) => {
  const { requests, asked } = await startRig(t, () => 200);
  const answers = Array.from({ length: 10_000 }, (_, index) =>
    requests.add({ reference: imageOf(index), namespace: 'evil' }),
  );
  t.equal(answers.filter((answer) => answer === 'asked').length, 10);
  t.equal(answers.filter((answer) => answer === 'full').length, 9_990);
  const wanted = imageOf(99_999);
  t.equal(requests.add({ reference: wanted, namespace: 'prod' }), 'asked');
  await until(() => asked.some((text) => text.endsWith(wanted)));
  const place = asked.findIndex((text) => text.endsWith(wanted));
  t.ok(place < 3, `its turn comes at once: ${String(place)}`);
  await until(() => asked.length === 11);
  // Many namespaces together are bounded too.
  const many = Array.from({ length: 2_000 }, (_, index) =>
    requests.add({ reference: imageOf(200_000 + index), namespace: `n${String(index)}` }),
  );
  t.ok(many.filter((answer) => answer === 'asked').length <= 200);
});

void t.test('a token that may not ask, and an image that may not be scanned', async (t) => {
  const forbidden = await startRig(t, () => 403);
  t.equal(forbidden.requests.add({ reference: imageOf(1), namespace: 'a' }), 'asked');
  await until(() => forbidden.logs.length > 0);
  t.match(forbidden.logs, [/the token needs the role operator and the scope policy/]);
  t.equal(forbidden.requests.add({ reference: imageOf(2), namespace: 'a' }), 'off', 'nobody is told to try again');
  const refused = await startRig(t, () => 400);
  refused.requests.add({ reference: imageOf(1), namespace: 'a' });
  await until(() => refused.logs.length > 0);
  t.equal(refused.requests.add({ reference: imageOf(1), namespace: 'a' }), 'off');
  t.equal(refused.requests.add({ reference: imageOf(2), namespace: 'a' }), 'asked', 'that was about one image');
  t.notMatch([...forbidden.logs, ...refused.logs].join('\n'), TOKEN);
});

void t.test('a collector that is busy is asked again later, and nobody waits for it', async (t) => {
  const { requests, asked, logs } = await startRig(t, () => 503);
  t.equal(requests.add({ reference: imageOf(1), namespace: 'a' }), 'asked');
  await until(() => logs.length > 0);
  t.match(logs, ['HTTP 503']);
  const startedMs = cpuMs();
  for (let index = 0; index < 1_000; index += 1) requests.add({ reference: imageOf(index), namespace: 'b' });
  t.ok(cpuMs() - startedMs < 1_000);
  t.equal(asked.length, 1);
});
