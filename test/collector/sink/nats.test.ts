import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import type { OcsfEvent } from '../../../collector/event/ocsf/ocsf.ts';
import { testSink } from '../../../collector/sink/sink-test.ts';
import { loadClientTls } from '../../../collector/sink/client-tls.ts';
import { createNatsSink } from '../../../collector/sink/nats.ts';
import type { NatsSinkOptions } from '../../../collector/sink/nats.ts';
import type { Sink } from '../../../collector/sink/sink.ts';
import { systemClock } from '../../../service/clock.ts';
import { issueCertificate } from '../../../service/tls/issue.ts';
import { findNatsServer, startNatsServer } from '../../component/nats.ts';
import type { NatsServer } from '../../component/nats.ts';
import { sinkConformance } from './conformance.ts';
import { event, events, ocsfOf, render } from './events.ts';

t.setTimeout(200_000);

function sinkTo(port: number, over: Partial<NatsSinkOptions> = {}): Sink {
  return createNatsSink({
    name: 'nats',
    render,
    address: { host: '127.0.0.1', port },
    loadTls: () => Promise.resolve(undefined),
    credentialsFile: 'none',
    subject: 'plimsoll.events',
    stream: '',
    // A server on a busy machine is slow.
    ackMs: 30_000,
    ...over,
  });
}

const STREAM = { name: 'EVENTS', subjects: ['plimsoll.>'], storage: 'file', num_replicas: 1 };
const createStream = (server: NatsServer, over: object = {}): Promise<unknown> =>
  server.request('$JS.API.STREAM.CREATE.EVENTS', { ...STREAM, ...over });

const program = findNatsServer();
const skip = program === undefined ? 'no nats-server' : false;

async function started(t: Test, options: Parameters<typeof startNatsServer>[2] = {}): Promise<NatsServer> {
  const server = await startNatsServer(program ?? '', t.testdir(), options);
  t.teardown(() => server.stop());
  return server;
}

void t.test('NATS: the promises of every sink, to nats-server', { skip }, (t) =>
  sinkConformance(t, async (t) => {
    const server = await started(t);
    await createStream(server);
    let isAway = false;
    return {
      deduplicates: true,
      open: () => sinkTo(server.port),
      received: async () => (await server.stored('EVENTS')).map(({ data }) => JSON.parse(data) as OcsfEvent),
      interrupt: async () => {
        isAway = true;
        await server.stop();
      },
      restore: async () => {
        if (isAway) await server.start();
        isAway = false;
      },
    };
  }),
);

void t.test('what the stream stores: subject, id and event', { skip }, async (t) => {
  const server = await started(t);
  const sink = sinkTo(server.port, { stream: 'EVENTS' });
  t.teardown(() => sink.close());
  const batch = events(1, 3);
  t.match(await sink.send(batch), { outcome: 'retry', reason: /no stream has the subject/ });
  await createStream(server);
  t.match(await sink.send(batch), { outcome: 'ok' });
  t.match(await sink.send(batch), { outcome: 'ok' }, 'they come again');
  const stored = await server.stored('EVENTS');
  t.equal(stored.length, 3, 'and are stored once');
  t.match(stored[0], { subject: 'plimsoll.events', headers: /Nats-Msg-Id: ?store-1-time\r\n/ });
  t.same(
    stored.map(({ data }) => JSON.parse(data) as unknown),
    JSON.parse(JSON.stringify(batch.map(ocsfOf))),
  );
  const other = sinkTo(server.port, { stream: 'OTHERS' });
  t.teardown(() => other.close());
  t.match(await other.send(batch), { outcome: 'retry', reason: /error 10060/ }, 'the stream is not the expected one');
  await server.request('$JS.API.STREAM.UPDATE.EVENTS', { ...STREAM, max_msgs: 4, discard: 'new' });
  t.match(await sink.send(events(4, 6)), { outcome: 'retry', reason: /JetStream refused an event \(error \d+\)/ });
  await server.request('$JS.API.STREAM.UPDATE.EVENTS', { ...STREAM, max_msgs: -1, max_msg_size: 6000 });
  const large = event(7, { evidence: [{ source: 'x', seen: 'y'.repeat(10_000), expected: '' }] });
  t.match(await sink.send([...events(4, 6), large, ...events(8, 9)]), { outcome: 'reject', uids: ['store-7-time'] });
  t.equal((await server.stored('EVENTS')).length, 8, 'all others are stored');
});

void t.test('TLS with client certificates, and credentials', { skip }, async (t) => {
  const directory = t.testdir();
  const put = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text, { mode: 0o600 });
    return join(directory, name);
  };
  const authority = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  const issued = await issueCertificate({ kind: 'server', names: ['127.0.0.1'] }, authority, Date.now());
  const client = await issueCertificate({ kind: 'node', nodeId: 'collector' }, authority, Date.now());
  const stranger = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  const ca = put('ca.pem', authority.certificatePem);
  const [cert, key] = [put('client.pem', client.certificatePem), put('client-key.pem', client.keyPem)];
  const tls = `tls { cert_file: ${JSON.stringify(put('server.pem', issued.certificatePem))}, key_file: ${JSON.stringify(put('server-key.pem', issued.keyPem))}, ca_file: ${JSON.stringify(ca)}, verify: true }`;
  const server = await startNatsServer(program ?? '', directory, {
    config: `${tls}\nauthorization { user: collector, password: "ab12:secret" }`,
  });
  t.teardown(() => server.stop());
  const send = async (paths: Parameters<typeof loadClientTls>[0] | undefined, secret: string) => {
    const sink = sinkTo(server.port, {
      loadTls: () => (paths === undefined ? Promise.resolve(undefined) : loadClientTls(paths, 'sink-nats')),
      credentialsFile: put('credentials', secret),
    });
    const outcome = await sink.send(events(1, 2));
    await sink.close();
    t.notMatch(JSON.stringify(outcome), /ab12|wrong-secret/);
    return outcome;
  };
  const right = 'collector:ab12:secret';
  // The stream is created by nobody: the last answer of a server that lets us in.
  t.match(await send({ ca, cert, key }, right), { outcome: 'retry', reason: /no stream has the subject/ });
  t.match(await send({ ca, cert, key }, 'collector:wrong-secret'), { outcome: 'retry', reason: /credentials/ });
  t.match(await send({ ca, cert: 'none', key: 'none' }, right), { outcome: 'retry' }, 'without a certificate');
  t.match(await send({ ca: put('other.pem', stranger.certificatePem), cert, key }, right), {
    outcome: 'retry',
    reason: /UNABLE_TO|SELF_SIGNED|CERT/,
  });
  t.match(await send(undefined, right), { outcome: 'retry', reason: /demands TLS: use tls:\/\// });
  const foreign = { ca: join(directory, 'other.pem'), cert, key };
  const { steps } = await testSink({
    name: 'nats',
    address: { kind: 'tcp', host: '127.0.0.1', port: server.port },
    open: () => Promise.resolve(sinkTo(server.port, { loadTls: () => loadClientTls(foreign, 'sink-nats') })),
    clock: systemClock(),
  });
  t.match(steps, [{ ok: true }, { ok: true }, { step: 'tls', ok: false, advice: /set sink-nats-ca/ }]);
});

/** A server that says this first, and then answers each message of a connection with what `answer` returns. */
async function fakeServer(
  t: Test,
  info: string,
  answer: (message: number, inbox: string) => string | undefined,
  delayMs = 0,
): Promise<{ readonly port: number; readonly lines: string[] }> {
  const sockets = new Set<Socket>();
  const lines: string[] = [];
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.write(info);
    let rest = '';
    let messages = 0;
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      rest += chunk;
      for (let end = rest.indexOf('\r\n'); end !== -1; end = rest.indexOf('\r\n')) {
        const line = rest.slice(0, end);
        rest = rest.slice(end + 2);
        lines.push(line);
        const inbox = /^HPUB \S+ (\S+) /.exec(line)?.[1] ?? '';
        if (line === 'PING') socket.write('PONG\r\n');
        else if (inbox !== '') {
          messages += 1;
          const reply = answer(messages, inbox);
          if (reply === undefined) socket.destroy();
          else setTimeout(() => socket.write(reply), delayMs);
        }
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, lines };
}

const INFO = (over: object = {}): string =>
  `INFO ${JSON.stringify({ server_id: 'x', version: '2.10.0', proto: 1, headers: true, max_payload: 1_048_576, jetstream: true, ...over })}\r\n`;
const reply = (inbox: string, body: string): string => `MSG ${inbox} 1 ${String(body.length)}\r\n${body}\r\n`;

void t.test('a server that misbehaves: nothing counts as delivered', async (t) => {
  const batch = events(1, 3);
  for (const [name, answer] of [
    ['never acknowledges', () => ''],
    [
      'closes in the middle of a batch',
      (message, inbox) => (message === 2 ? undefined : reply(inbox, '{"stream":"EVENTS","seq":1}')),
    ],
    ['closes at once', () => undefined],
    ['acknowledges without a stream', (_, inbox) => reply(inbox, '{"stream":"","seq":1}')],
    ['acknowledges another stream', (_, inbox) => reply(inbox, '{"stream":"OTHER","seq":1}')],
    ['acknowledges without a number', (_, inbox) => reply(inbox, '{"stream":"EVENTS"}')],
    ['acknowledges with garbage', (_, inbox) => reply(inbox, '+OK')],
    [
      'answers with an error',
      (_, inbox) => reply(inbox, '{"error":{"code":503,"err_code":10077,"description":"secret"}}'),
    ],
    [
      'acknowledges all but one',
      (message, inbox) => (message === 2 ? '' : reply(inbox, '{"stream":"EVENTS","seq":1}')),
    ],
    ['speaks garbage', () => '\u0000\u0001garbage\r\n'],
    ['announces more than it sends', (_, inbox) => `MSG ${inbox} 1 900000\r\n{`],
  ] satisfies readonly (readonly [string, (message: number, inbox: string) => string | undefined])[]) {
    const { port } = await fakeServer(t, INFO(), answer);
    const sink = sinkTo(port, { stream: 'EVENTS', ackMs: 300 });
    const outcome = await sink.send(batch);
    t.match(outcome, { outcome: 'retry', reason: /127\.0\.0\.1/ }, name);
    t.notMatch(JSON.stringify(outcome), /secret/, name);
    await sink.close();
  }
});

void t.test('a slow server is waited for', async (t) => {
  const acknowledge = (_: number, inbox: string): string => reply(inbox, '{"stream":"EVENTS","seq":1}');
  const { port } = await fakeServer(t, INFO(), acknowledge, 300);
  const sink = sinkTo(port, { stream: 'EVENTS', ackMs: 10_000 });
  t.teardown(() => sink.close());
  t.match(await sink.send(events(1, 3)), { outcome: 'ok' });
});

void t.test('a server that takes TLS away gets no credentials', async (t) => {
  const directory = t.testdir();
  const authority = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  const path = join(directory, 'ca.pem');
  writeFileSync(path, authority.certificatePem);
  writeFileSync(join(directory, 'token'), 'ab12secret');
  for (const info of [INFO(), INFO({ tls_required: false, tls_available: false })]) {
    const { port, lines } = await fakeServer(t, info, () => '');
    const sink = sinkTo(port, {
      loadTls: () => loadClientTls({ ca: path, cert: 'none', key: 'none' }, 'sink-nats'),
      credentialsFile: join(directory, 'token'),
    });
    t.match(await sink.send(events(1, 1)), { outcome: 'retry' });
    await sink.close();
    t.same(lines, []);
  }
});

void t.test('a server for tiny messages does not make every event a rejected one', async (t) => {
  const { port } = await fakeServer(t, INFO({ max_payload: 16 }), () => '');
  const sink = sinkTo(port);
  t.teardown(() => sink.close());
  t.match(await sink.send(events(1, 1)), { outcome: 'retry', reason: /16 bytes only/ });
});
