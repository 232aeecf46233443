import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import type { OcsfEvent } from '../../../collector/event/ocsf/ocsf.ts';
import { createSplunkAckSink } from '../../../collector/sink/splunk-ack.ts';
import type { SplunkAckOptions } from '../../../collector/sink/splunk-ack.ts';
import { events, uidOf } from './events.ts';
import type { Answer, Received } from './http-receiver.ts';
import { httpSinkSuite, SECRET, startHttpKind } from './http-suite.ts';
import type { HttpSinkKind } from './http-suite.ts';

t.setTimeout(60_000);

/*
 * A Splunk with indexer acknowledgement, as its documentation describes it: each request to the collector names a
 * channel; each success has the next number of that channel; a question about numbers is answered with true for those
 * that are indexed.
 */
interface FakeSplunk {
  readonly answer: (request: Received) => Answer;
  readonly channels: () => number;
  /** Is the batch of this number indexed by now? */
  index: (ackId: number) => boolean;
}

function splunk(): FakeSplunk {
  const channels = new Map<string, number>();
  const fake: FakeSplunk = {
    channels: () => channels.size,
    index: () => true,
    answer: ({ url, headers, body }) => {
      const channel = String(headers['x-splunk-request-channel']);
      if (headers.authorization !== `Splunk ${SECRET}`)
        return { status: 403, body: '{"text":"Invalid token","code":4}' };
      if (!/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(channel))
        return { status: 400, body: '{"text":"Data channel is missing","code":10}' };
      if (url.endsWith('/ack')) {
        const { acks } = JSON.parse(body) as { readonly acks: readonly number[] };
        return {
          status: 200,
          body: JSON.stringify({ acks: Object.fromEntries(acks.map((id) => [id, fake.index(id)])) }),
        };
      }
      const ackId = channels.get(channel) ?? 0;
      channels.set(channel, ackId + 1);
      return { status: 200, body: JSON.stringify({ text: 'Success', code: 0, ackId }) };
    },
  };
  return fake;
}

const isData = ({ url }: Received): boolean => !url.endsWith('/ack');

function kindOf(fake: FakeSplunk, ack: Partial<SplunkAckOptions> = {}): HttpSinkKind {
  return {
    name: 'splunk with acknowledgement',
    create: (options) => {
      const receiver = { ...options.receiver, url: `${options.receiver.url}/services/collector/event` };
      return createSplunkAckSink({ ...options, receiver }, { index: 'main', pollMs: 5, ...ack });
    },
    eventsOf: (request) =>
      isData(request)
        ? request.body
            .split('\n')
            .slice(0, -1)
            .map((line) => (JSON.parse(line) as { event: OcsfEvent }).event)
        : [],
    accept: fake.answer,
  };
}

httpSinkSuite(t, kindOf(splunk()));

async function start(t: Test, ack: Partial<SplunkAckOptions> = {}) {
  const fake = splunk();
  const kind = kindOf(fake, ack);
  const { receiver, open } = await startHttpKind(t, kind);
  const sink = open();
  t.teardown(() => sink.close());
  const uids = (): readonly string[] => receiver.requests.flatMap(kind.eventsOf).map(uidOf);
  return { fake, receiver, sink, uids };
}

void t.test('a batch is acknowledged once it and all before it are indexed', async (t) => {
  const { fake, sink, receiver } = await start(t);
  const known = new Set<number>();
  fake.index = (id) => known.has(id);
  t.match(await sink.send(events(1, 10)), { outcome: 'ok', acknowledged: 0 });
  t.match(await sink.send(events(11, 20)), { outcome: 'ok', acknowledged: 0 });
  known.add(1);
  await new Promise((resolve) => setTimeout(resolve, 10));
  t.match(await sink.send(events(21, 30)), { outcome: 'ok', acknowledged: 0 }, 'the second before the first');
  known.add(0);
  await new Promise((resolve) => setTimeout(resolve, 10));
  t.match(await sink.send(events(31, 40)), { outcome: 'ok', acknowledged: 20 });
  known.add(2).add(3);
  t.same(await sink.send([]), { outcome: 'ok', acknowledged: 40 });
  t.match(receiver.requests[0]?.body, /"index":"main"/);
  t.ok(receiver.requests.every(({ url }) => /\/services\/collector\/(?:event|ack)$/.test(url)));
});

void t.test('what is not indexed in time is sent again, over a new channel', async (t) => {
  const { fake, sink, uids } = await start(t, { indexMs: 50 });
  fake.index = () => false;
  t.match(await sink.send(events(1, 3)), { outcome: 'ok', acknowledged: 0 });
  t.match(await sink.send([]), { outcome: 'retry', acknowledged: 0, reason: /has not indexed/ });
  fake.index = () => true;
  await sink.send(events(1, 3));
  t.same(await sink.send([]), { outcome: 'ok', acknowledged: 3 });
  t.equal(uids().length, 6);
  t.equal(new Set(uids()).size, 3);
  t.equal(fake.channels(), 2);
});

void t.test('a Splunk that never indexes does not get batch after batch', async (t) => {
  const { fake, sink, receiver } = await start(t, { indexMs: 1000 });
  fake.index = () => false;
  let sent = 0;
  for (; sent < 50; sent += 1) if ((await sink.send(events(sent + 1, sent + 1))).outcome !== 'ok') break;
  t.ok(sent <= 20, String(sent));
  t.ok(receiver.requests.filter(isData).length <= 20);
});

void t.test('answers that are wrong acknowledge nothing', async (t) => {
  const { fake, sink, receiver } = await start(t);
  const give = (data: string, acks: string, status = 200): void =>
    receiver.answer(({ url }) => ({
      status: url.endsWith('/ack') ? status : 200,
      body: url.endsWith('/ack') ? acks : data,
    }));
  const batch = events(1, 3);
  for (const ackId of ['', ',"ackId":"0"', ',"ackId":1.5', ',"ackId":null']) {
    give(`{"text":"Success","code":0${ackId}}`, '{"acks":{"0":true}}');
    t.match(await sink.send(batch), { outcome: 'retry', acknowledged: 0, reason: /no ackId/, afterMs: 60_000 }, ackId);
  }
  for (const acks of [
    '{"acks":{"7":true,"1":true}}',
    '{"acks":[true]}',
    '{"acks":{"0":"true"}}',
    'true',
    '',
    '<html>',
  ]) {
    give('{"text":"Success","code":0,"ackId":0}', acks);
    const outcome = await sink.send(batch);
    if (outcome.outcome === 'ok') t.equal(outcome.acknowledged, 0, acks);
    else t.match(outcome, { outcome: 'retry', acknowledged: 0 }, acks);
    // The same number again: an acknowledgement of the first batch must not count for the second.
    give('{"text":"Success","code":0,"ackId":0}', '{"acks":{"0":true}}');
    if (outcome.outcome === 'ok')
      t.match(await sink.send(events(4, 6)), { outcome: 'retry', acknowledged: 0, reason: /has not increased/ });
  }
  // The next question is due.
  await sleep(10);
  give('{"text":"Success","code":0,"ackId":0}', '{"text":"ACK is disabled","code":14}', 400);
  t.match(await sink.send(batch), { outcome: 'retry', acknowledged: 0, reason: /HTTP 400 to the question/ });
  receiver.answer(fake.answer);
  await sink.send(batch);
  t.same(await sink.send([]), { outcome: 'ok', acknowledged: 3 }, 'and then it is well');
});

void t.test('a rejected event does not acknowledge what is not indexed', async (t) => {
  const { fake, sink, receiver } = await start(t, { indexMs: 50 });
  fake.index = () => false;
  t.match(await sink.send(events(1, 3)), { outcome: 'ok', acknowledged: 0 });
  const refuse = (request: Received): Answer =>
    isData(request)
      ? { status: 400, body: '{"text":"Invalid data format","code":6,"invalid-event-number":0}' }
      : fake.answer(request);
  receiver.answer(refuse);
  t.match(await sink.send(events(4, 4)), { outcome: 'retry', acknowledged: 0 });
  receiver.answer(fake.answer);
  fake.index = () => true;
  await sink.send(events(1, 3));
  receiver.answer(refuse);
  t.match(await sink.send(events(4, 4)), { outcome: 'split' }, 'the delivery rejects it: all before it is indexed');
});
