import t from 'tap';
import type { Test } from 'tap';
import type { OcsfEvent } from '../../../collector/event/ocsf/ocsf.ts';
import type { HttpSinkOptions } from '../../../collector/sink/http-delivery.ts';
import { createSentinelSink } from '../../../collector/sink/sentinel.ts';
import type { Sink } from '../../../collector/sink/sink.ts';
import { event, events, ocsfOf } from './events.ts';
import type { Answer, Received } from './http-receiver.ts';
import { httpSinkSuite, SECRET, startHttpKind } from './http-suite.ts';
import type { HttpSinkKind } from './http-suite.ts';

t.setTimeout(120_000);

/*
 * The identity platform and the data collection endpoint, as the documentation of Microsoft describes them: a token for
 * the credentials of a client (form-encoded), and a POST of a JSON array of at most 1 MB with it, answered with 204.
 */
const isToken = ({ url }: Received): boolean => url.includes('/oauth2/');
const TOKEN = 'eyJ0.token-of-the-test';

function accept(request: Received, expiresIn = 3599): Answer {
  if (isToken(request)) {
    const form = new URLSearchParams(request.body);
    const isRight =
      request.url === '/in/contoso.example/oauth2/v2.0/token' &&
      request.headers['content-type'] === 'application/x-www-form-urlencoded' &&
      form.get('grant_type') === 'client_credentials' &&
      form.get('client_id') === '1d0c' &&
      form.get('client_secret') === SECRET &&
      form.get('scope') === 'https://monitor.azure.com/.default';
    return isRight
      ? { status: 200, body: JSON.stringify({ token_type: 'Bearer', expires_in: expiresIn, access_token: TOKEN }) }
      : { status: 401, body: '{"error":"invalid_client"}' };
  }
  if (request.headers.authorization !== `Bearer ${TOKEN}`) return { status: 401 };
  if (request.url !== '/in/dataCollectionRules/dcr-00a1/streams/Custom-Plimsoll_CL?api-version=2023-01-01')
    return { status: 404 };
  return { status: Buffer.byteLength(request.body) > 1_000_000 ? 413 : 204 };
}

interface Row {
  readonly Event: OcsfEvent;
}

const KIND: HttpSinkKind = {
  name: 'sentinel',
  create: ({ receiver, ...options }: HttpSinkOptions): Sink =>
    createSentinelSink({
      ...options,
      endpoint: receiver.url,
      caFile: receiver.caFile,
      rule: 'dcr-00a1',
      stream: 'Custom-Plimsoll_CL',
      tenant: 'contoso.example',
      client: '1d0c',
      secretFile: receiver.secretFile,
      cloud: { login: receiver.url, scope: 'https://monitor.azure.com/.default' },
    }),
  eventsOf: (request) =>
    isToken(request) ? [] : (JSON.parse(request.body) as readonly Row[]).map(({ Event }) => Event),
  accept: (request) => accept(request),
};

// What the receiver of the suite answers concerns the endpoint: a token is always granted.
httpSinkSuite(t, { ...KIND, preliminary: (request) => (isToken(request) ? accept(request) : undefined) });

async function start(t: Test) {
  const { receiver, open } = await startHttpKind(t, KIND);
  const sink = open();
  t.teardown(() => sink.close());
  return { receiver, sink, tokens: () => receiver.requests.filter(isToken).length };
}

void t.test('rows of the table, compressed, and one token for many batches', async (t) => {
  const { receiver, sink, tokens } = await start(t);
  const batch = events(1, 3);
  t.match(await sink.send(batch), { outcome: 'ok' });
  t.match(await sink.send(batch), { outcome: 'ok' });
  t.equal(tokens(), 1);
  const [, data] = receiver.requests;
  t.equal(data?.headers['content-encoding'], 'gzip');
  const [first] = batch;
  t.match(JSON.parse(data?.body ?? '')[0], {
    TimeGenerated: '2026-06-01T00:00:00.000Z',
    EventUid: 'store-1-time',
    ClassUid: 2003,
    Severity: 'Critical',
    Computer: 'web-1',
    FindingUid: '0cb3acb61f91ca4d1bf92fb1fbd6ad1f',
    Check: 'container.privileged',
    Event: first && JSON.parse(JSON.stringify(ocsfOf(first))),
  });
});

void t.test('a token that ends, or is withdrawn, is replaced', async (t) => {
  const { receiver, sink, tokens } = await start(t);
  // Less than the minute before its end.
  receiver.answer((request) => accept(request, 30));
  t.match(await sink.send(events(1, 1)), { outcome: 'ok' });
  t.match(await sink.send(events(2, 2)), { outcome: 'ok' });
  t.equal(tokens(), 2);
  receiver.answer(accept);
  t.match(await sink.send(events(3, 3)), { outcome: 'ok' });
  receiver.answer((request) => (isToken(request) ? accept(request) : { status: 401 }));
  t.match(await sink.send(events(4, 4)), { outcome: 'retry', reason: 'HTTP 401' });
  receiver.answer(accept);
  t.match(await sink.send(events(4, 4)), { outcome: 'ok' });
  t.equal(tokens(), 4);
});

void t.test('an identity platform that misbehaves: nothing is sent, and nothing is rejected', async (t) => {
  const { receiver, sink } = await start(t);
  for (const [answer, outcome] of [
    [{ status: 400, body: '{"error":"invalid_scope"}' }, { reason: /no token: HTTP 400/ }],
    [{ status: 401 }, { reason: /no token: HTTP 401/ }],
    [
      { status: 429, headers: { 'retry-after': '9' } },
      { reason: /no token: HTTP 429/, afterMs: 9000 },
    ],
    [{ status: 503 }, { reason: /no token: HTTP 503/ }],
    [{ status: 200, body: '<html>' }, { reason: /has none/ }],
    [{ status: 200, body: '{"access_token":"","expires_in":3599}' }, { reason: /has none/ }],
    [{ status: 200, body: '{"access_token":"a\\r\\nb","expires_in":3599}' }, { reason: /has none/ }],
    [{ status: 200, body: '{"access_token":"a","expires_in":-1}' }, { reason: /has none/ }],
    [{ misbehave: 'cuts-answer' }, {}],
  ] as const) {
    receiver.answer((request) => (isToken(request) ? answer : accept(request)));
    const found = await sink.send(events(1, 2));
    t.match(found, { outcome: 'retry', ...outcome });
    t.notMatch(JSON.stringify(found), SECRET);
  }
  t.equal(receiver.requests.filter((request) => !isToken(request)).length, 0);
});

void t.test('a success that is not that of the API, such as the page of a proxy, delivers nothing', async (t) => {
  const { receiver, sink } = await start(t);
  receiver.answer((request) => (isToken(request) ? accept(request) : { status: 200, body: '<html>' }));
  t.match(await sink.send(events(1, 2)), { outcome: 'retry', reason: /HTTP 200, but/ });
});

void t.test('a call has at most 1 MB, and an event at most 60 KB', async (t) => {
  const { receiver, sink } = await start(t);
  const evidence = [{ source: 'x', seen: 'y'.repeat(50_000), expected: '' }];
  const many = events(1, 30, { evidence });
  t.match(await sink.send(many), { outcome: 'ok' });
  t.equal(receiver.requests.flatMap(KIND.eventsOf).length, 30);
  t.ok(receiver.requests.every(({ body }) => Buffer.byteLength(body) <= 1_000_000));
  const huge = [{ source: 'x', seen: 'y'.repeat(200_000), expected: '' }];
  t.match(await sink.send([event(31, { evidence: huge })]), { outcome: 'ok' });
  const last = receiver.requests.flatMap(KIND.eventsOf).at(-1);
  t.match(last, { metadata: { is_truncated: true } });
  t.ok(JSON.stringify(last).length < 64_000);
});
