import { execFileSync } from 'node:child_process';
import t from 'tap';
import { createElasticsearchSink } from '../../../collector/sink/elasticsearch.ts';
import type { OcsfEvent } from '../../../collector/event/ocsf/ocsf.ts';
import { createSplunkSink } from '../../../collector/sink/splunk.ts';
import { createWebhookSink } from '../../../collector/sink/webhook.ts';
import { events, uidOf } from './events.ts';
import { httpSinkSuite, SECRET, startHttpKind } from './http-suite.ts';
import type { HttpSinkKind } from './http-suite.ts';

t.setTimeout(200_000);

const parsed = (text: string): unknown => JSON.parse(text);
const lines = (body: string): readonly string[] => body.split('\n').slice(0, -1);

const KINDS: readonly HttpSinkKind[] = [
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

for (const kind of KINDS) httpSinkSuite(t, kind);

void t.test('webhook: the signature is that of openssl, and the key of a batch is its own', async (t) => {
  const [kind] = KINDS;
  if (kind === undefined) throw new Error('no kind');
  const { receiver, open } = await startHttpKind(t, kind);
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
  const { receiver, open } = await startHttpKind(t, kind);
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
  for (const body of ['', '<html>Please log in</html>', '{"text":"Success"}', '{"code":9}']) {
    receiver.answer(() => ({ status: 200, body }));
    t.match(await sink.send(batch), { outcome: 'retry', reason: /HTTP Event Collector/ }, body);
  }
});

void t.test('elasticsearch: each document has its own status', async (t) => {
  const kind = KINDS[2];
  if (kind === undefined) throw new Error('no kind');
  const { receiver, open } = await startHttpKind(t, kind);
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
