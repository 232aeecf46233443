import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import type { OcsfEvent } from '../../../collector/event/ocsf/ocsf.ts';
import { loadClientTls } from '../../../collector/sink/client-tls.ts';
import { createKafkaSink } from '../../../collector/sink/kafka.ts';
import type { KafkaSinkOptions } from '../../../collector/sink/kafka.ts';
import type { Sink } from '../../../collector/sink/sink.ts';
import { systemClock } from '../../../service/clock.ts';
import { issueCertificate } from '../../../service/tls/issue.ts';
import type { SaslAccount } from '../../component/kafka-sasl.ts';
import { findKcat, startKafkaBroker } from '../../component/kafka.ts';
import { sinkConformance } from './conformance.ts';
import { event, events, ocsfOf, render } from './events.ts';

t.setTimeout(120_000);

const TOPIC = 'plimsoll.events';

function sinkTo(port: number, over: Partial<KafkaSinkOptions> = {}): Sink {
  return createKafkaSink({
    name: 'kafka',
    clock: systemClock(),
    render,
    brokers: [{ host: '127.0.0.1', port }],
    loadTls: () => Promise.resolve(undefined),
    mechanism: 'SCRAM-SHA-256',
    credentialsFile: 'none',
    topic: TOPIC,
    stepMs: 30_000,
    ...over,
  });
}

const program = findKcat();
const skip = program === undefined ? 'no kcat' : false;

async function started(t: Test, options: Parameters<typeof startKafkaBroker>[2] = {}) {
  const broker = await startKafkaBroker(program ?? '', TOPIC, options);
  t.teardown(() => broker.end());
  return broker;
}

void t.test('Kafka: the promises of every sink, to the mock broker of librdkafka', { skip }, (t) =>
  sinkConformance(t, async (t) => {
    const broker = await started(t);
    let isAway = false;
    return {
      open: () => sinkTo(broker.port),
      // One finding, one key, one partition.
      received: async () => (await broker.consume()).map(({ payload }) => JSON.parse(payload) as OcsfEvent),
      interrupt: async () => {
        isAway = true;
        await broker.stop();
      },
      restore: async () => {
        if (isAway) await broker.start();
        isAway = false;
      },
    };
  }),
);

void t.test('key, header and value of a message; findings keep their order', { skip }, async (t) => {
  const broker = await started(t);
  const sink = sinkTo(broker.port);
  t.teardown(() => sink.close());
  const batch = Array.from({ length: 60 }, (_, index) => event(index + 1, { uid: `finding-${String(index % 6)}` }));
  t.match(await sink.send(batch), { outcome: 'ok' });
  const found = await broker.consume();
  t.equal(found.length, 60);
  t.ok(new Set(found.map(({ partition }) => partition)).size > 1, 'keys are spread over partitions');
  for (const { key, headers, payload } of found) {
    const one = batch.find(({ uid }) => headers[1] === uid);
    t.equal(key, one?.finding.uid);
    t.same(headers, ['id', one?.uid]);
    t.same(JSON.parse(payload), JSON.parse(JSON.stringify(one && ocsfOf(one))));
  }
  for (let finding = 0; finding < 6; finding += 1) {
    const positions = found
      .filter(({ key }) => key === `finding-${String(finding)}`)
      .map(({ headers }) => Number(/\d+/.exec(headers[1] ?? '')?.[0]));
    t.same(
      positions,
      positions.toSorted((a, b) => a - b),
    );
  }
});

void t.test('a broker that misbehaves: nothing counts as delivered', { skip }, async (t) => {
  const broker = await started(t);
  // Of several findings: the messages go to several partitions.
  const batch = Array.from({ length: 60 }, (_, index) => event(index + 1, { uid: `finding-${String(index % 6)}` }));
  for (const [behaviour, outcome] of [
    ['cuts', { outcome: 'retry' }],
    ['cuts-after', { outcome: 'retry' }],
    ['is-silent', { outcome: 'retry' }],
    ['speaks-garbage', { outcome: 'retry' }],
    ['acknowledges-nothing', { outcome: 'retry', reason: /does not acknowledge/ }],
    [{ errors: [0] }, { outcome: 'retry', reason: /does not acknowledge all/ }],
    [{ errors: [0, 19, 0, 0] }, { outcome: 'retry', reason: /error 19/ }],
    [{ errors: [19] }, { outcome: 'retry', reason: /error 19: too few replicas/ }],
    [{ errors: [29] }, { outcome: 'retry', reason: /error 29: the credentials do not permit/ }],
    [{ errors: [10] }, { outcome: 'split', reason: /max\.message\.bytes/ }],
  ] as const) {
    broker.behave(behaviour);
    const sink = sinkTo(broker.port, { stepMs: 1000 });
    t.match(await sink.send(batch), outcome, JSON.stringify(behaviour));
    await sink.close();
  }
  for (const behaviour of ['is-slow', 'forwards'] as const) {
    broker.behave(behaviour);
    const sink = sinkTo(broker.port);
    t.match(await sink.send(batch), { outcome: 'ok' }, behaviour);
    await sink.close();
  }
  const missing = sinkTo(broker.port, { topic: 'a/b' });
  t.match(await missing.send(batch), { outcome: 'retry' }, 'a topic that does not exist');
  await missing.close();
});

void t.test('TLS: a client certificate, and a broker that is another', { skip }, async (t) => {
  const directory = t.testdir();
  const put = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text, { mode: 0o600 });
    return join(directory, name);
  };
  const authority = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  const server = await issueCertificate({ kind: 'server', names: ['127.0.0.1'] }, authority, Date.now());
  const client = await issueCertificate({ kind: 'node', nodeId: 'collector' }, authority, Date.now());
  const stranger = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  const ca = put('ca.pem', authority.certificatePem);
  const [cert, key] = [put('client.pem', client.certificatePem), put('client-key.pem', client.keyPem)];
  const broker = await started(t, {
    tls: {
      cert: server.certificatePem,
      key: server.keyPem,
      ca: authority.certificatePem,
      requestCert: true,
      rejectUnauthorized: true,
    },
  });
  const send = async (paths: Parameters<typeof loadClientTls>[0]) => {
    const sink = sinkTo(broker.port, { loadTls: () => loadClientTls(paths, 'sink-kafka'), stepMs: 2000 });
    const outcome = await sink.send(events(1, 2));
    await sink.close();
    return outcome;
  };
  t.match(await send({ ca, cert, key }), { outcome: 'ok' });
  t.match(await send({ ca, cert: 'none', key: 'none' }), { outcome: 'retry' }, 'without a certificate');
  t.match(await send({ ca: put('other.pem', stranger.certificatePem), cert, key }), { outcome: 'retry' });
  t.equal((await broker.consume()).length, 2);
});

void t.test('SASL: names and passwords, and a broker that does not know the password', { skip }, async (t) => {
  const directory = t.testdir({ right: 'collector:ab12:secret\n', wrong: 'collector:wrong-secret', odd: 'ab12secret' });
  const send = async (account: SaslAccount, file: string, mechanism = account.mechanism) => {
    const broker = await startKafkaBroker(program ?? '', TOPIC, { account });
    const sink = sinkTo(broker.port, { mechanism, credentialsFile: join(directory, file) });
    const outcome = await sink.send(events(1, 2));
    await sink.close();
    const count = (await broker.consume()).length;
    await broker.end();
    t.notMatch(JSON.stringify(outcome), /ab12|wrong-secret/);
    t.equal(count, outcome.outcome === 'ok' ? 2 : 0);
    return outcome;
  };
  const plain = { mechanism: 'PLAIN', user: 'collector', password: 'ab12:secret' } as const;
  const scram = { ...plain, mechanism: 'SCRAM-SHA-256' } as const;
  t.match(await send(plain, 'right'), { outcome: 'ok' });
  t.match(await send(plain, 'wrong'), { outcome: 'retry', reason: /credentials/ });
  t.match(await send(scram, 'right'), { outcome: 'ok' });
  t.match(await send(scram, 'wrong'), { outcome: 'retry', reason: /credentials/ });
  t.match(
    await send({ ...scram, liar: true }, 'right'),
    { outcome: 'retry' },
    'the signature of the broker is verified',
  );
  t.match(await send(plain, 'right', 'SCRAM-SHA-256'), { outcome: 'retry' }, 'another mechanism is not used instead');
  t.match(await send(plain, 'odd'), { outcome: 'retry', reason: /is not user:password/ });
});
