import { execFileSync } from 'node:child_process';
import t from 'tap';
import type { Test } from 'tap';
import { createElasticsearchSink } from '../../../collector/sink/elasticsearch.ts';
import type { HttpSinkOptions } from '../../../collector/sink/http-delivery.ts';
import type { OcsfEvent } from '../../../collector/event/ocsf/ocsf.ts';
import type { Sink } from '../../../collector/sink/sink.ts';
import { createSplunkSink } from '../../../collector/sink/splunk.ts';
import { createWebhookSink } from '../../../collector/sink/webhook.ts';
import { systemClock } from '../../../service/clock.ts';
import { sinkConformance } from './conformance.ts';
import type { SinkUnderTest } from './conformance.ts';
import { events, render, uidOf } from './events.ts';
import { startHttpReceiver } from './http-receiver.ts';
import type { Answer, HttpTestReceiver, Received } from './http-receiver.ts';

t.setTimeout(60_000);

const SECRET = 'ab12-very-secret';
const parsed = (text: string): unknown => JSON.parse(text);
const lines = (body: string): readonly string[] => body.split('\n').slice(0, -1);

/** One kind of sink, and the protocol of its receiver, from the documentation of the product. */
interface Kind {
  readonly name: string;
  readonly create: (options: HttpSinkOptions) => Sink;
  /** The events of a request. */
  readonly eventsOf: (request: Received) => readonly OcsfEvent[];
  /** What the product answers if all is well. */
  readonly accept: (request: Received) => Answer;
}

const KINDS: readonly Kind[] = [
  {
    name: 'webhook',
    create: createWebhookSink,
    eventsOf: ({ body }) => parsed(body) as readonly OcsfEvent[],
    accept: () => ({ status: 204 }),
  },
  {
    name: 'splunk',
    create: (options) => createSplunkSink(options, 'main'),
    eventsOf: ({ body }) => lines(body).map((line) => (parsed(line) as { event: OcsfEvent }).event),
    accept: () => ({ status: 200, body: '{"text":"Success","code":0}' }),
  },
  {
    name: 'elasticsearch',
    create: createElasticsearchSink,
    eventsOf: ({ body }) =>
      lines(body)
        .filter((_, index) => index % 2 === 1)
        .map((line) => {
          const { '@timestamp': timestamp, ...event } = parsed(line) as OcsfEvent;
          if (typeof timestamp !== 'string') throw new Error('a data stream needs @timestamp');
          return event;
        }),
    accept: ({ body }) => ({ status: 200, body: bulkAnswer(lines(body).length / 2, () => 201) }),
  },
];

function bulkAnswer(count: number, statusAt: (index: number) => number): string {
  const items = Array.from({ length: count }, (_, index) => ({ create: { _id: 'x', status: statusAt(index) } }));
  return JSON.stringify({ took: 1, errors: items.some(({ create }) => create.status > 299), items });
}

async function start(t: Test, kind: Kind): Promise<{ readonly receiver: HttpTestReceiver; readonly open: () => Sink }> {
  const receiver = await startHttpReceiver(t, kind.accept);
  const { url, caFile } = receiver;
  const options = {
    name: kind.name,
    receiver: { url, caFile, secretFile: receiver.secret(SECRET) },
    clock: systemClock(),
    render,
  };
  return { receiver, open: () => kind.create(options) };
}

for (const kind of KINDS) {
  void t.test(`${kind.name}: the promises of every sink`, (t) =>
    sinkConformance(t, async (t): Promise<SinkUnderTest> => {
      const { receiver, open } = await start(t, kind);
      let isAway = false;
      return {
        open,
        received: () => receiver.requests.flatMap(kind.eventsOf),
        interrupt: async () => {
          isAway = true;
          await receiver.stop();
        },
        restore: async () => {
          if (isAway) await receiver.start();
          isAway = false;
        },
      };
    }),
  );

  void t.test(`${kind.name}: a receiver that misbehaves loses nothing and learns no secret by an error`, async (t) => {
    const { receiver, open } = await start(t, kind);
    const sink = open();
    t.teardown(() => sink.close());
    const batch = events(1, 4);
    const send = async (answer: Answer) => {
      receiver.answer(() => answer);
      const outcome = await sink.send(batch);
      t.notMatch(JSON.stringify(outcome), SECRET);
      return outcome;
    };
    for (const status of [301, 302, 401, 403, 404, 405, 408, 429, 500, 502, 503, 504])
      t.match(await send({ status }), { outcome: 'retry', reason: new RegExp(String(status)) }, String(status));
    for (const status of [413, 415, 422]) t.match(await send({ status }), { outcome: 'split' }, String(status));
    t.match(await send({ status: 503, headers: { 'retry-after': '7' } }), { afterMs: 7000 });
    t.match(await send({ status: 429, headers: { 'retry-after': '999999999' } }), { afterMs: 600_000 }, 'not for ever');
    t.match(await send({ status: 503, headers: { 'retry-after': new Date(Date.now() - 60_000).toUTCString() } }), {
      afterMs: 1000,
    });
    t.match(await send({ status: 503, headers: { 'retry-after': 'soon' } }), { afterMs: 1000 });
    t.match(await send({ reset: true }), { outcome: 'retry' }, 'the connection is cut before the answer');
    t.match(await send({ status: 500, body: 'x'.repeat(5 * 1024 ** 2) }), { outcome: 'retry' }, 'an endless answer');
    receiver.answer(kind.accept);
    t.match(await sink.send(batch), { outcome: 'ok' }, 'and then it is well');
  });

  void t.test(`${kind.name}: nothing is sent to a receiver that an unknown authority signed for`, async (t) => {
    const { receiver } = await start(t, kind);
    const { url } = receiver;
    const secretFile = receiver.secret(SECRET);
    const sink = kind.create({
      name: kind.name,
      receiver: { url, caFile: 'system', secretFile },
      clock: systemClock(),
      render,
    });
    t.teardown(() => sink.close());
    t.match(await sink.send(events(1, 2)), { outcome: 'retry', reason: /CERT|SELF_SIGNED|UNABLE/ });
    t.equal(receiver.requests.length, 0);
    const without = kind.create({
      name: kind.name,
      receiver: { url, caFile: receiver.caFile, secretFile: `${secretFile}-none` },
      clock: systemClock(),
      render,
    });
    t.teardown(() => without.close());
    t.match(await without.send(events(1, 2)), { outcome: 'retry', reason: /secret-none/ }, 'never without its secret');
    t.equal(receiver.requests.length, 0);
  });
}

void t.test('webhook: the signature is that of openssl, and the key of a batch is its own', async (t) => {
  const [kind] = KINDS;
  if (kind === undefined) throw new Error('no kind');
  const { receiver, open } = await start(t, kind);
  const sink = open();
  t.teardown(() => sink.close());
  await sink.send(events(1, 3));
  await sink.send(events(1, 3));
  await sink.send(events(2, 4));
  const [first, again, other] = receiver.requests;
  if (first === undefined) throw new Error('nothing arrived');
  const input = `${String(first.headers['x-plimsoll-timestamp'])}.${first.body}`;
  const digest = execFileSync('openssl', ['dgst', '-sha256', '-hmac', SECRET, '-r'], { input, encoding: 'utf8' });
  t.equal(first.headers['x-plimsoll-signature'], `sha256=${digest.split(' ')[0] ?? ''}`);
  t.ok(Math.abs(Number(first.headers['x-plimsoll-timestamp']) * 1000 - Date.now()) < 60_000);
  t.equal(first.headers['idempotency-key'], again?.headers['idempotency-key']);
  t.not(first.headers['idempotency-key'], other?.headers['idempotency-key']);
});

void t.test('splunk: envelope, and the event that is invalid', async (t) => {
  const kind = KINDS[1];
  if (kind === undefined) throw new Error('no kind');
  const { receiver, open } = await start(t, kind);
  const sink = open();
  t.teardown(() => sink.close());
  const batch = events(1, 3);
  await sink.send(batch);
  const [request] = receiver.requests;
  t.equal(request?.headers.authorization, `Splunk ${SECRET}`);
  t.match(parsed(lines(request?.body ?? '')[0] ?? ''), {
    time: /^\d{10}\.\d{3}$/,
    host: 'web-1',
    source: 'plimsoll',
    sourcetype: 'ocsf:json',
    index: 'main',
    event: { class_uid: 2003 },
  });
  const answer = (code: number, place?: number) => {
    receiver.answer(() => ({
      status: 400,
      body: JSON.stringify({ text: 'x', code, ...(place === undefined ? {} : { 'invalid-event-number': place }) }),
    }));
  };
  answer(6, 1);
  t.match(await sink.send(batch), { outcome: 'split', reason: /code 6/ });
  t.match(await sink.send(batch.slice(1, 2)), { outcome: 'split' }, 'a single one is given up by the delivery');
  answer(7, 0);
  t.match(await sink.send(batch), { outcome: 'retry', reason: /index/ }, 'nothing is wrong with the events');
  receiver.answer(() => ({ status: 400, body: 'not JSON' }));
  t.match(await sink.send(batch), { outcome: 'split' });
});

void t.test('elasticsearch: each document has its own status', async (t) => {
  const kind = KINDS[2];
  if (kind === undefined) throw new Error('no kind');
  const { receiver, open } = await start(t, kind);
  const sink = open();
  t.teardown(() => sink.close());
  const batch = events(1, 4);
  const uids = batch.map(({ uid }) => uid);
  const answer = (...statuses: readonly number[]) => {
    receiver.answer(() => ({ status: 200, body: bulkAnswer(statuses.length, (index) => statuses[index] ?? 0) }));
  };
  answer(201, 409, 201, 409);
  t.match(await sink.send(batch), { outcome: 'ok' }, 'what is there already came before');
  const [request] = receiver.requests;
  t.equal(request?.headers.authorization, `ApiKey ${SECRET}`);
  t.strictSame(
    lines(request?.body ?? '')
      .filter((_, index) => index % 2 === 0)
      .map(parsed),
    uids.map((uid) => ({ create: { _id: uid } })),
    'the id of the event is the id of the document',
  );
  answer(201, 400, 201, 413);
  t.match(await sink.send(batch), { outcome: 'reject', uids: [uids[1], uids[3]] });
  answer(201, 400, 429, 201);
  t.match(await sink.send(batch), { outcome: 'retry', reason: /429/ }, 'all again: the others are conflicts then');
  answer(201, 403, 201, 201);
  t.match(await sink.send(batch), { outcome: 'retry' }, 'the rights of the key can be changed');
  answer(201, 201);
  t.match(await sink.send(batch), { outcome: 'retry' }, 'fewer items than events');
  for (const body of ['', '[]', '{"items":{}}', '{"items":[{"create":{"status":"201"}}]}']) {
    receiver.answer(() => ({ status: 200, body }));
    t.match(await sink.send(batch), { outcome: 'retry' }, JSON.stringify(body));
  }
  t.strictSame(receiver.requests.flatMap(kind.eventsOf).map(uidOf).slice(0, 4), uids);
});
