import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import type { Test } from 'tap';
import type { OcsfEvent } from '../../../collector/event/ocsf/ocsf.ts';
import { readAwsCredentials } from '../../../collector/sink/aws-credentials.ts';
import type { HttpSinkOptions } from '../../../collector/sink/http-delivery.ts';
import { bucketUrl, createS3Sink } from '../../../collector/sink/s3.ts';
import type { ObjectLimits, S3Options } from '../../../collector/sink/s3.ts';
import type { Sink } from '../../../collector/sink/sink.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import { events, render, uidOf } from './events.ts';
import { startHttpReceiver } from './http-receiver.ts';
import type { Answer, HttpTestReceiver, Received } from './http-receiver.ts';
import { httpSinkSuite, SECRET } from './http-suite.ts';
import type { HttpSinkKind } from './http-suite.ts';
import { whyRefused } from './sigv4.ts';

t.setTimeout(60_000);

/* PutObject of the Amazon S3 API Reference: signature, checksum, ETag, and errors as XML. */
const CREDENTIALS = `[default]
aws_access_key_id = AKIATEST
aws_secret_access_key = ${SECRET}
aws_session_token = token/of+a=session
`;
const failed = (status: number, code: string, headers: Readonly<Record<string, string>> = {}): Answer => ({
  status,
  headers: { 'content-type': 'application/xml', ...headers },
  body: `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>of the test</Message></Error>`,
});

function accept({ method, url, headers, bytes }: Received): Answer {
  const server = {
    secretOf: (id: string) => (id === 'AKIATEST' ? SECRET : undefined),
    region: 'eu-central-1',
    service: 's3',
    nowMs: Date.now(),
  };
  const refused = whyRefused({ method, target: url, headers, body: bytes }, server);
  if (refused !== undefined) return failed(403, refused);
  if (headers['x-amz-security-token'] !== 'token/of+a=session') return failed(403, 'InvalidToken');
  if (method !== 'PUT' || !url.startsWith('/in/archive/plimsoll/')) return failed(404, 'NoSuchBucket');
  const checksum = createHash('sha256').update(bytes).digest('base64');
  if (headers['x-amz-checksum-sha256'] !== checksum) return failed(400, 'BadDigest');
  return { status: 200, headers: { etag: '"0"', 'x-amz-checksum-sha256': checksum } };
}

const eventsOf = ({ bytes }: Received): readonly OcsfEvent[] =>
  gunzipSync(bytes)
    .toString('utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as OcsfEvent);

/** What each batch is: an object. */
const AT_ONCE: ObjectLimits = { maxAgeMs: 0, maxEvents: 1000, maxBytes: 64 * 1024 ** 2 };

function create({ receiver, ...options }: HttpSinkOptions, over: Partial<S3Options> = {}): Sink {
  return createS3Sink({
    ...options,
    url: bucketUrl(receiver.url, 'archive', 'path'),
    caFile: receiver.caFile,
    region: 'eu-central-1',
    owner: '',
    prefix: 'plimsoll/',
    credentials: () => readAwsCredentials(receiver.secretFile, {}),
    limits: AT_ONCE,
    ...over,
  });
}

const KIND: HttpSinkKind = { name: 's3', create, eventsOf, accept, onContent: 'retry', secretFile: CREDENTIALS };

httpSinkSuite(t, KIND);

async function start(t: Test, over: Partial<S3Options>) {
  const receiver = await startHttpReceiver(t, accept);
  const clock = createFakeClock(Date.now());
  const { url, caFile } = receiver;
  const to = { url, caFile, secretFile: receiver.secret(CREDENTIALS) };
  const sink = create({ name: 's3', clock, render, receiver: to }, over);
  t.teardown(() => sink.close());
  return { receiver, clock, sink };
}

/** What a bucket holds: an object that is uploaded again replaces the one with its key. */
function bucketOf({ requests }: HttpTestReceiver): ReadonlyMap<string, readonly OcsfEvent[]> {
  return new Map(requests.map((request) => [request.url, eventsOf(request)]));
}
const sizesOf = (receiver: HttpTestReceiver): readonly number[] =>
  [...bucketOf(receiver).values()].map(({ length }) => length);

void t.test('objects end by number, by size and by age; events are acknowledged once they are stored', async (t) => {
  const { receiver, clock, sink } = await start(t, {
    limits: { maxAgeMs: 60_000, maxEvents: 400, maxBytes: 2 * 1024 ** 2 },
  });
  t.same(await sink.send(events(1, 300)), { outcome: 'ok', acknowledged: 0 });
  t.same(sizesOf(receiver), [], 'it waits for more');
  t.same(await sink.send(events(301, 700)), { outcome: 'ok', acknowledged: 400 }, 'by number');
  t.same(await sink.send(events(701, 800)), { outcome: 'ok' }, 'nothing waits');
  t.same(sizesOf(receiver), [400, 400]);
  t.same(await sink.send(events(801, 802)), { outcome: 'ok', acknowledged: 800 });
  t.same(await sink.send([]), { outcome: 'ok', acknowledged: 800 }, 'not yet');
  await clock.advance(60_000);
  t.same(await sink.send([]), { outcome: 'ok' }, 'by age');
  const evidence = [{ source: 'x', seen: 'y'.repeat(500_000), expected: '' }];
  t.same(await sink.send(events(803, 810, { evidence })), { outcome: 'ok', acknowledged: 807 }, 'by size');
  t.same(sizesOf(receiver), [400, 400, 2, 5]);
  t.same(
    [...bucketOf(receiver).values()].flat().map(uidOf),
    events(1, 807).map(({ uid }) => uid),
  );
});

void t.test('keys: day, sink and positions, in the order of the events; the same for the same events', async (t) => {
  const { receiver, sink } = await start(t, { limits: { ...AT_ONCE, maxEvents: 10 } });
  await sink.send(events(95, 114));
  t.same(
    [...bucketOf(receiver).keys()],
    [
      '/in/archive/plimsoll/2026/06/01/s3-0000000000000095-0000000000000104-store-95-time.ndjson.gz',
      '/in/archive/plimsoll/2026/06/01/s3-0000000000000105-0000000000000114-store-105-time.ndjson.gz',
    ],
  );
  const again = await start(t, { limits: { ...AT_ONCE, maxEvents: 10 } });
  await again.sink.send(events(95, 104));
  t.equal(again.receiver.requests[0]?.url, receiver.requests[0]?.url, 'by another collector of the same store');
  const [request] = receiver.requests;
  t.match(request?.headers, { 'content-type': 'application/gzip', 'content-encoding': undefined });
  t.equal(
    bucketUrl('https://s3.eu-central-1.amazonaws.com', 'a.b', 'virtual-host'),
    'https://a.b.s3.eu-central-1.amazonaws.com',
  );
  t.equal(bucketUrl('http://127.0.0.1:9000/', 'archive', 'path'), 'http://127.0.0.1:9000/archive');
});

void t.test(
  'an upload that fails, or whose answer is lost: the same object again, without rendering it again',
  async (t) => {
    let rendered = 0;
    const { receiver, sink } = await start(t, {
      limits: { maxAgeMs: 60_000, maxEvents: 600, maxBytes: 64 * 1024 ** 2 },
      render: (batch) => {
        rendered += batch.length;
        return render(batch);
      },
    });
    t.same(await sink.send(events(1, 500)), { outcome: 'ok', acknowledged: 0 });
    receiver.answer(() => ({ misbehave: 'cuts-answer' }));
    t.match(await sink.send(events(501, 1000)), { outcome: 'retry' });
    for (const code of ['SlowDown', 'InternalError']) {
      receiver.answer(() => failed(503, code));
      t.match(await sink.send(events(1, 500)), { outcome: 'retry', reason: `HTTP 503 ${code}` });
    }
    receiver.answer(accept);
    t.same(await sink.send(events(1, 500)), { outcome: 'ok' }, 'all of these are stored');
    t.same(await sink.send(events(501, 1000)), { outcome: 'ok', acknowledged: 600 });
    t.equal(new Set(receiver.requests.map(({ url }) => url)).size, 1, 'one key');
    t.same(sizesOf(receiver), [600]);
    t.equal(rendered, 1000 + 400, 'the batch in which the object ended was rendered twice');
    t.same(await sink.send(events(1001, 1200)), { outcome: 'ok' });
    t.same(
      [...bucketOf(receiver).values()].flat().map(uidOf),
      events(1, 1200).map(({ uid }) => uid),
    );
  },
);

void t.test('what the receiver says of the failure, in words; and what is no storage', async (t) => {
  const { receiver, clock, sink } = await start(t, { limits: AT_ONCE, owner: '111122223333' });
  const date = new Date(clock.now() + 3_600_000).toUTCString();
  const cases: readonly (readonly [Answer, RegExp])[] = [
    [failed(403, 'SignatureDoesNotMatch'), /^HTTP 403 SignatureDoesNotMatch$/],
    [
      failed(403, 'RequestTimeTooSkewed', { date }),
      /the clock of the receiver is 60 minutes ahead of that of the collector$/,
    ],
    [failed(403, 'RequestTimeTooSkewed', { date: 'soon' }), /^HTTP 403 RequestTimeTooSkewed/],
    [
      failed(301, 'PermanentRedirect', { 'x-amz-bucket-region': 'eu-west-3' }),
      /the bucket is in the region eu-west-3$/,
    ],
    [failed(301, 'PermanentRedirect', { 'x-amz-bucket-region': '<b>x' }), /^HTTP 301 PermanentRedirect$/],
    [failed(400, 'ExpiredToken'), /^HTTP 400 ExpiredToken$/],
    [failed(400, 'EntityTooLarge'), /^HTTP 400 EntityTooLarge$/],
    [failed(503, 'SlowDown', { 'retry-after': '9' }), /^HTTP 503 SlowDown$/],
    [{ status: 403, body: '<Code>\u001b[31m</Code>' }, /^HTTP 403$/],
    [{ status: 403, body: `${'x'.repeat(100_000)}<Code>Late</Code>` }, /^HTTP 403$/],
    [{ status: 200, body: '<html>Sign in</html>' }, /no ETag/],
    [{ status: 204, headers: { etag: '"0"' } }, /^HTTP 204$/],
    [{ status: 200, headers: { etag: '"0"', 'x-amz-checksum-sha256': 'b3RoZXI=' } }, /checksum differs/],
  ];
  for (const [answer, reason] of cases) {
    receiver.answer(() => answer);
    const outcome = await sink.send(events(1, 2));
    t.match(outcome, { outcome: 'retry', reason }, String(reason));
    t.notMatch(JSON.stringify(outcome), SECRET);
  }
  receiver.answer(accept);
  t.same(await sink.send(events(1, 2)), { outcome: 'ok' }, 'and nothing is lost');
  t.equal(
    receiver.requests.at(-1)?.headers['x-amz-expected-bucket-owner'],
    '111122223333',
    'a bucket of someone else is refused',
  );
});
