import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { Agent, createServer, request as httpsRequest } from 'node:https';
import type { RequestOptions } from 'node:https';
import { join } from 'node:path';
import { connect as connectPlain } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { connect } from 'node:tls';
import t from 'tap';
import type { Test } from 'tap';
import { runAdmission } from '../../admission/main.ts';
import { openWebhookServer } from '../../admission/webhook-server.ts';
import { writeSnapshot } from '../../image/policy/snapshot-file.ts';
import { loadSettings } from '../../service/config/load.ts';
import { systemClock } from '../../service/clock.ts';
import { signDetached } from '../../service/detached-signature.ts';
import type { LogFields } from '../../service/log.ts';
import { issueCertificate } from '../../service/tls/issue.ts';
import type { Issued } from '../../service/tls/issue.ts';
import { evidence, NOW, policy } from '../fixture/image-evidence.ts';
import { temporaryDirectory } from '../cli/process.ts';
import { judged, snapshotText } from '../fixture/policy-snapshot.ts';
import { restrictedPod } from '../fixture/pods.ts';
import { review } from '../fixture/admission-requests.ts';

// Most of the time is waiting: for files to be read again, and for deadlines.
t.jobs = 4;

const DIGEST = `sha256:${'a'.repeat(64)}`;
const IMAGE = `registry.example.com/shop/db@${DIGEST}`;
const PODS =
  'apiVersion: plimsoll.dev/v1\nkind: PodPolicy\nmetadata: { name: pods }\nspec: { podSecurity: { level: LEVEL } }\n';
const IMAGES =
  'apiVersion: plimsoll.dev/v1\nkind: ImagePolicy\nmetadata: { name: images }\nspec: { rules: [{ type: registry, allow: [registry.example.com/**] }] }\n';

const authority = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
const signer = generateKeyPairSync('ed25519');

interface Webhook {
  readonly directory: string;
  readonly port: number;
  readonly events: readonly string[];
  readonly logs: readonly (LogFields & { readonly message: string })[];
  readonly end: () => Promise<void>;
}

interface Start {
  readonly flags?: Readonly<Record<string, string>>;
  readonly policies?: string;
}

const writeLeaf = ({ certificatePem, keyPem }: Issued, directory: string): void => {
  writeFileSync(join(directory, 'key.pem.new'), keyPem, { mode: 0o600 });
  writeFileSync(join(directory, 'cert.pem.new'), certificatePem);
  renameSync(join(directory, 'key.pem.new'), join(directory, 'key.pem'));
  renameSync(join(directory, 'cert.pem.new'), join(directory, 'cert.pem'));
};

/** A webhook on a free port of the loopback interface. Resolves when it listens; ready or not. */
async function start(
  t: Test,
  { flags = {}, policies = `${IMAGES}---\n${PODS.replace('LEVEL', 'restricted')}` }: Start = {},
): Promise<Webhook> {
  const directory = temporaryDirectory(t);
  mkdirSync(join(directory, 'policies'));
  writeFileSync(join(directory, 'policies', 'all.yaml'), policies);
  writeLeaf(await issueCertificate({ kind: 'server', names: ['localhost'] }, authority, Date.now()), directory);
  writeFileSync(join(directory, 'signer.pub'), signer.publicKey.export({ type: 'spki', format: 'pem' }));
  const loaded = await loadSettings({
    programs: ['admission'],
    flags: {
      'data-dir': join(directory, 'data'),
      'admission-listen': '127.0.0.1:0',
      'admission-policies': join(directory, 'policies'),
      'admission-tls-cert': join(directory, 'cert.pem'),
      'admission-tls-key': join(directory, 'key.pem'),
      'policy-snapshot-key': join(directory, 'signer.pub'),
      ...flags,
    },
    environment: {},
    readFile: () => Promise.resolve(undefined),
    uid: 0,
    home: '/root',
  });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const [events, logs]: [string[], (LogFields & { message: string })[]] = [[], []];
  const controller = new AbortController();
  const listening = Promise.withResolvers<number>();
  const log = (fields: LogFields, message: string): void => {
    logs.push({ ...fields, message });
    const { listen } = fields as { listen?: string };
    if (listen !== undefined) listening.resolve(Number(listen.split(':').at(-1)));
  };
  const running = runAdmission({
    settings: loaded.settings,
    version: '0.1.0',
    clock: systemClock(),
    log: { debug: log, info: log, warn: log, error: log },
    signal: controller.signal,
    onReady: () => logs.push({ message: 'ready' }),
    events: { write: (line: string) => events.push(line), writableLength: 0 },
  });
  running.catch((error: unknown) => listening.reject(error as Error));
  const end = async (): Promise<void> => {
    controller.abort('test');
    await running;
  };
  t.teardown(() => end().catch(() => undefined));
  return { directory, port: await listening.promise, events, logs, end };
}

interface Options extends Omit<RequestOptions, 'headers'> {
  readonly headers?: Readonly<Record<string, string>>;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

async function post(port: number, path: string, body: string | Buffer, options: Options = {}): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const sent = httpsRequest(
    {
      host: 'localhost',
      port,
      path,
      method: 'POST',
      ca: authority.certificatePem,
      agent: false,
      ...options,
      headers: { 'content-type': 'application/json', ...options.headers },
    },
    (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    },
  );
  sent.on('error', reject);
  sent.end(body);
  return promise;
}

/** The response to a review. */
async function ask(
  port: number,
  parts: Readonly<Record<string, unknown>>,
  path = '/validate',
): Promise<Readonly<Record<string, unknown>>> {
  const { status, text } = await post(port, path, JSON.stringify(review(parts)));
  if (status !== 200) throw new Error(`${String(status)} ${text}`);
  const { apiVersion, kind, response } = JSON.parse(text) as Record<string, Record<string, unknown>>;
  t.match({ apiVersion, kind }, { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' });
  return response ?? {};
}

async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 150; tries += 1) {
    if (await isTrue()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`never: ${what}`);
}

async function putSnapshot(
  directory: string,
  version: number,
  key = signer.privateKey,
  images: readonly string[] = [DIGEST],
): Promise<void> {
  const policies = [
    policy(
      [
        { type: 'registry', allow: ['registry.example.com/**'] },
        { type: 'vulnerability', severity: 'high' },
      ],
      {},
      'shop',
    ),
  ];
  const head = {
    version,
    collector: 'test',
    issuedAt: NOW,
    tags: [{ reference: 'registry.example.com/shop/db:16', digest: DIGEST, checkedAt: NOW }],
  };
  const content = Buffer.from(
    snapshotText({
      ...head,
      policies,
      images: judged(
        policies,
        images.map((digest) => [digest, evidence()]),
      ),
    }),
  );
  await writeSnapshot(directory, { content, signature: await signDetached(content, key) });
}

void t.test('reviews over HTTPS, without a collector', async (t) => {
  const { port, events } = await start(t);
  t.match(await ask(port, { object: restrictedPod(IMAGE) }), {
    allowed: true,
    uid: '705ab4f5-6393-11e8-b7cc-42010a800002',
  });
  const denied = await ask(port, { object: restrictedPod('evil.example/x') });
  t.match(denied, {
    allowed: false,
    status: { code: 403, message: /evil\.example\/x.*Push the image to an approved registry/ },
    auditAnnotations: { decision: 'deny', violations: 'registry-not-allowed' },
  });
  t.match(await ask(port, { kind: 'Deployment', object: { spec: { template: { spec: { hostPID: true } } } } }), {
    allowed: true,
    warnings: [/hostNamespaces/],
  });
  t.equal(events.length, 2);
  t.match(JSON.parse(events[0] ?? ''), { class_uid: 2004, action: 'Denied' });
  t.match(await ask(port, { object: restrictedPod('evil.example/x'), dryRun: true }), { allowed: false });
  t.equal(events.length, 2, 'a dry run writes no event');
});

void t.test('the snapshot of the collector: signed, never older, on disk', async (t) => {
  const first = await start(t, {
    flags: { 'admission-policies': 'none', 'policy-snapshot': 'snapshot' },
  }).catch((error: unknown) => String(error));
  t.match(first, /policy-snapshot/, 'a path is absolute');
  const directory = temporaryDirectory(t);
  const snapshot = join(directory, 'snapshot');
  const options = {
    flags: { 'admission-policies': 'none', 'policy-snapshot': snapshot, 'data-dir': join(directory, 'data') },
  };
  mkdirSync(snapshot, { recursive: true });
  const webhook = await start(t, options);
  const { port, logs } = webhook;
  t.equal(
    (await post(port, '/validate', JSON.stringify(review({ object: {} })))).status,
    503,
    'nothing to judge by: failurePolicy decides',
  );
  t.notOk(logs.some(({ message }) => message === 'ready'));
  await putSnapshot(snapshot, 5);
  await until('ready', () => logs.some(({ message }) => message === 'ready'));
  t.match(await ask(port, { object: restrictedPod(IMAGE) }), { allowed: true });
  t.match(await ask(port, { object: restrictedPod('registry.example.com/shop/db:16') }), { allowed: false });
  const { patch, patchType } = await ask(port, { object: restrictedPod('registry.example.com/shop/db:16') }, '/mutate');
  t.equal(patchType, 'JSONPatch');
  t.match(JSON.parse(Buffer.from(String(patch), 'base64').toString()), [
    { path: '/spec/containers/0/image', value: `registry.example.com/shop/db:16@${DIGEST}` },
  ]);
  const refused = (): number =>
    logs.filter(({ message }) => message.startsWith('the policy snapshot cannot be used')).length;
  const before = refused();
  await putSnapshot(snapshot, 4, signer.privateKey, []);
  await until('the older one is refused', () => refused() > before);
  await putSnapshot(snapshot, 6, generateKeyPairSync('ed25519').privateKey, []);
  await until('the forged one is refused', () => refused() > before + 1);
  t.match(await ask(port, { object: restrictedPod(IMAGE) }), { allowed: true }, 'the earlier one stays in use');
  await webhook.end();
  await putSnapshot(snapshot, 4);
  const again = await start(t, options);
  t.equal(
    (await post(again.port, '/validate', JSON.stringify(review({ object: {} })))).status,
    503,
    'nor after a restart',
  );
});

void t.test('policies and the certificate are replaced while it runs; wrong ones are not used', async (t) => {
  const { port, directory, logs } = await start(t);
  const file = join(directory, 'policies', 'all.yaml');
  writeFileSync(file, `${IMAGES}---\n${PODS.replace('LEVEL', 'strict')}`);
  await until('wrong policies are reported', () =>
    logs.some(({ message }) => message.startsWith('the policies cannot be used')),
  );
  const hostPort = restrictedPod(IMAGE);
  Object.assign(hostPort['spec'] as object, { securityContext: {} });
  t.match(await ask(port, { object: hostPort }), { allowed: false }, 'the level restricted still applies');
  writeFileSync(file, `${IMAGES}---\n${PODS.replace('LEVEL', 'baseline')}`);
  await until('new policies', async () => (await ask(port, { object: hostPort }))['allowed'] === true);
  const next = await issueCertificate({ kind: 'server', names: ['localhost'] }, authority, Date.now());
  writeLeaf(next, directory);
  const presented = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ca: authority.certificatePem }, () => {
        resolve(socket.getPeerX509Certificate()?.toString() ?? '');
        socket.destroy();
      });
      socket.on('error', reject);
    });
  await until('the new certificate', async () => (await presented()).trim() === next.certificatePem.trim());
});

void t.test('hostile requests', async (t) => {
  const { port, logs } = await start(t);
  const statusOf = async (...args: readonly [string, string | Buffer, Options?]): Promise<number> =>
    (await post(port, ...args).catch(() => ({ status: 0 }))).status;
  t.equal(await statusOf('/', '{}'), 404);
  t.equal(await statusOf('/validate', '', { method: 'GET' }), 405);
  t.equal(await statusOf('/validate', '{}', { headers: { 'content-type': 'text/plain' } }), 415);
  t.equal(await statusOf('/validate', '{'), 400);
  t.equal(await statusOf('/validate', '{}'), 400);
  t.equal(await statusOf('/validate', JSON.stringify({ ...review(), apiVersion: 'admission.k8s.io/v1beta1' })), 400);
  t.ok([413, 0].includes(await statusOf('/validate', Buffer.alloc(6 * 1024 * 1024 + 1, 0x20))));
  t.ok(
    [413, 0].includes(
      await statusOf('/validate', Buffer.alloc(6 * 1024 * 1024 + 1, 0x20), {
        headers: { 'transfer-encoding': 'chunked' },
      }),
    ),
  );
  const deep = JSON.stringify(review({ operation: 'UPDATE', object: 'DEEP', oldObject: 'DEEP' })).replaceAll(
    '"DEEP"',
    `{"spec":${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}}`,
  );
  t.equal(await statusOf('/validate', deep), 413, 'nested beyond any stack: no answer, so failurePolicy decides');
  t.notOk(logs.some(({ message }) => message === 'a request could not be answered'));
  t.match(await ask(port, { object: restrictedPod(IMAGE) }), { allowed: true }, 'and it still answers');
});

void t.test('slow clients and many connections', async (t) => {
  const { port } = await start(t);
  let closed = 0;
  const follow = <S extends Socket>(socket: S): S => {
    socket
      .on('error', () => undefined)
      .resume()
      .on('close', () => (closed += 1));
    t.teardown(() => socket.destroy());
    return socket;
  };
  const secure = Array.from({ length: 20 }, () =>
    follow(connect({ host: '127.0.0.1', port, servername: 'localhost', ca: authority.certificatePem })),
  );
  for (let left = 680; left > 0; left -= 1) follow(connectPlain({ host: '127.0.0.1', port }));
  for (const socket of secure)
    socket.write(
      'POST /validate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{',
    );
  t.match(await ask(port, { object: restrictedPod(IMAGE) }), { allowed: true });
  await until('connections without a handshake, and requests that do not end, are closed', () => closed === 700);
  const pipelined = follow(connect({ host: '127.0.0.1', port, servername: 'localhost', ca: authority.certificatePem }));
  const body = JSON.stringify(review({ object: restrictedPod(IMAGE) }));
  const one = `POST /validate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${String(body.length)}\r\n\r\n${body}`;
  pipelined.write(one.repeat(50));
  await until('a connection that sends more before it has its answer is closed', () => closed === 701);
});

void t.test('an API server sends 200 requests at a time to one replica, and leaves it before it ends', async (t) => {
  const leaf = await issueCertificate({ kind: 'server', names: ['localhost'] }, authority, Date.now());
  const server = await openWebhookServer(
    { host: '127.0.0.1', port: 0 },
    { cert: leaf.certificatePem, key: leaf.keyPem },
    {
      respond: (_path, { uid }) => ({ uid, allowed: true }),
      onError: (error) => t.fail(String(error)),
      clock: systemClock(),
    },
  );
  t.teardown(server.close);
  const agent = new Agent({ keepAlive: true });
  t.teardown(() => agent.destroy());
  const body = JSON.stringify(review({ object: restrictedPod(IMAGE) }));
  const ask = () => post(server.address.port, '/validate', body, { agent });
  const answers = await Promise.all(Array.from({ length: 200 }, ask));
  t.ok(answers.every(({ status }) => status === 200));
  const open = (): number => Object.values(agent.freeSockets).flat().length;
  t.ok(open() > 0, 'connections are kept');
  const drained = server.drain({ leastMs: 200, quietMs: 3_000, mostMs: 60_000 });
  let isDrained = false;
  void drained.then(() => (isDrained = true));
  await Promise.all(Array.from({ length: open() }, ask));
  await until('no connection is kept', () => open() === 0);
  await new Promise((resolve) => setTimeout(resolve, 300));
  t.match(await ask(), { status: 200 });
  t.notOk(isDrained, 'it goes on as long as it is asked');
  await drained;
});

void t.test('a replica that ends reports what it admits until its last answer', async (t) => {
  const { certificatePem: cert, keyPem: key } = await issueCertificate(
    { kind: 'server', names: ['localhost'] },
    authority,
    Date.now(),
  );
  const reports: { readonly admitted: readonly { readonly uid: string }[]; readonly ended: boolean }[] = [];
  const collector = createServer({ cert, key }, (request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (part: string) => (text += part));
    request.on('end', () => {
      reports.push(JSON.parse(text) as (typeof reports)[number]);
      response.writeHead(200, { connection: 'close' }).end(JSON.stringify({ nowMs: Date.now() }));
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  t.teardown(() => collector.close());
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'ca.pem'), authority.certificatePem);
  writeFileSync(join(directory, 'token'), 'token');
  const { port, end } = await start(t, {
    flags: {
      // An API server reaches it through a Service, which may still send requests here.
      'admission-listen': '0.0.0.0:0',
      'report-collector': `localhost:${String((collector.address() as AddressInfo).port)}`,
      'report-token-file': join(directory, 'token'),
      'report-ca': join(directory, 'ca.pem'),
    },
  });
  const ended = end();
  const pod = restrictedPod(IMAGE);
  const uid = '705ab4f5-6393-41e8-b7cc-42010a800002';
  const object = { ...pod, metadata: { ...(pod['metadata'] as object), uid } };
  t.match(await ask(port, { object }), { allowed: true });
  t.notOk(
    reports.some((report) => report.ended),
    'it has not said yet that it reports nothing more',
  );
  await ended;
  t.ok(reports.some(({ admitted }) => admitted.some((one) => one.uid === uid)));
  t.equal(reports.at(-1)?.ended, true);
});

void t.test('clients with a certificate only', async (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'clients.pem'), authority.certificatePem);
  const { port } = await start(t, { flags: { 'admission-client-ca': join(directory, 'clients.pem') } });
  await t.rejects(post(port, '/validate', '{}'));
  const client = await issueCertificate({ kind: 'node', nodeId: 'api-server' }, authority, Date.now());
  const options = { cert: client.certificatePem, key: client.keyPem };
  t.equal(
    (await post(port, '/validate', JSON.stringify(review({ object: restrictedPod(IMAGE) })), options)).status,
    200,
  );
});

void t.test('what stops it from starting', async (t) => {
  const failure = async (options: Start): Promise<string> => {
    try {
      await start(t, options);
      return '';
    } catch (error) {
      return (error as Error).message;
    }
  };
  t.match(await failure({ policies: 'kind: Nothing' }), /policies cannot be used: .*all\.yaml: kind: expected/);
  t.match(await failure({ flags: { 'admission-policies': 'none' } }), /no policies to decide by/);
  t.match(await failure({ flags: { 'policy-snapshot': '/nowhere' } }), /not from both/);
  const { directory } = await start(t);
  execFileSync('chmod', ['644', join(directory, 'key.pem')]);
  t.match(readFileSync(join(directory, 'key.pem'), 'utf8'), /PRIVATE KEY/);
  t.match(
    await failure({ flags: { 'admission-tls-key': join(directory, 'key.pem') } }),
    /others than its owner can read/,
  );
});
