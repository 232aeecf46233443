import t from 'tap';
import type { Test } from 'tap';
import type { OcsfEvent } from '../../../collector/event/ocsf/ocsf.ts';
import { readAwsCredentials } from '../../../collector/sink/aws-credentials.ts';
import type { HttpSinkOptions } from '../../../collector/sink/http-delivery.ts';
import { createSecurityHubSink } from '../../../collector/sink/security-hub.ts';
import type { SecurityHubOptions } from '../../../collector/sink/security-hub.ts';
import type { Sink } from '../../../collector/sink/sink.ts';
import { systemClock } from '../../../service/clock.ts';
import { asffIssues } from '../event/asff-constraints.ts';
import { event, events, render, uidOf } from './events.ts';
import { startHttpReceiver } from './http-receiver.ts';
import type { Answer, Received } from './http-receiver.ts';
import { httpSinkSuite, SECRET } from './http-suite.ts';
import { whyRefused } from './sigv4.ts';

t.setTimeout(60_000);

/* BatchImportFindings of the AWS Security Hub API Reference: at most 100 findings, errors of single ones in the answer. */
const CREDENTIALS = `aws_access_key_id = AKIATEST\naws_secret_access_key = ${SECRET}\n`;
type Finding = Readonly<Record<string, unknown>> & { readonly Id: string };
const findingsOf = ({ body }: Received): readonly Finding[] =>
  (JSON.parse(body) as { readonly Findings: readonly Finding[] }).Findings;
const answerOf = (imported: number, failed: readonly object[] = []): Answer => ({
  status: 200,
  body: JSON.stringify({ FailedCount: failed.length, SuccessCount: imported, FailedFindings: failed }),
});

function accept(request: Received): Answer {
  const { method, url, headers, bytes } = request;
  const server = {
    secretOf: (id: string) => (id === 'AKIATEST' ? SECRET : undefined),
    region: 'eu-central-1',
    service: 'securityhub',
    nowMs: Date.now(),
  };
  const refused = whyRefused({ method, target: url, headers, body: bytes }, server);
  if (refused !== undefined) return { status: 403, headers: { 'x-amzn-errortype': `${refused}:http://x/` } };
  if (method !== 'POST' || url !== '/in/findings/import') return { status: 404 };
  const findings = findingsOf(request);
  const ids = new Set(findings.map(({ Id: id }) => id));
  const isRight = findings.length <= 100 && ids.size === findings.length;
  if (!isRight) return { status: 400, headers: { 'x-amzn-errortype': 'InvalidInputException' } };
  const failed = findings
    .filter((finding) => asffIssues(finding).length > 0)
    .map((finding) => ({ Id: finding.Id, ErrorCode: 'InvalidInput', ErrorMessage: asffIssues(finding).join() }));
  return answerOf(findings.length - failed.length, failed);
}

function create({ receiver, ...options }: HttpSinkOptions, over: Partial<SecurityHubOptions> = {}): Sink {
  return createSecurityHubSink({
    ...options,
    endpoint: receiver.url,
    caFile: receiver.caFile,
    account: '111122223333',
    region: 'eu-central-1',
    credentials: () => readAwsCredentials(receiver.secretFile, {}),
    ...over,
  });
}

const eventUidOf = ({ ProductFields: fields }: Finding): string =>
  String((fields as Readonly<Record<string, unknown>>)['plimsoll/EventUid']);

/*
 * The events of the suite are about one finding, of which Security Hub gets the last state only: here each has one of its
 * own. What arrives is a view of the event; that the view is right is the subject of the tests of views.
 */
const rendered = new Map<string, OcsfEvent>();
httpSinkSuite(t, {
  name: 'security-hub',
  create: (options) =>
    create(options, {
      render: async (batch) => {
        const all = await render(batch);
        for (const one of all) rendered.set(uidOf(one), one);
        return all.map((one) => {
          const finding = Object.assign({}, one['finding_info'], { uid: uidOf(one) });
          return Object.assign({}, one, { finding_info: finding });
        });
      },
    }),
  eventsOf: (request) =>
    findingsOf(request).map((finding) => JSON.parse(JSON.stringify(rendered.get(eventUidOf(finding)))) as OcsfEvent),
  accept,
  secretFile: CREDENTIALS,
});

async function start(t: Test) {
  const receiver = await startHttpReceiver(t, accept);
  const { url, caFile } = receiver;
  const to = { url, caFile, secretFile: receiver.secret(CREDENTIALS) };
  const sink = create({ name: 'security-hub', clock: systemClock(), render, receiver: to });
  t.teardown(() => sink.close());
  return { receiver, sink };
}

/** An event of a finding of its own. */
const own = (position: number, action: 'opened' | 'resolved' = 'opened', uid = `finding-${String(position)}`) =>
  event(position, { uid, verdict: action === 'opened' ? 'fail' : 'pass' }, { action });

void t.test('calls of 100 findings; of several events of a finding the last state', async (t) => {
  const { receiver, sink } = await start(t);
  t.same(await sink.send(Array.from({ length: 250 }, (_, index) => own(index + 1))), { outcome: 'ok' });
  t.same(
    receiver.requests.map((request) => findingsOf(request).length),
    [100, 100, 50],
  );
  t.same(await sink.send([own(251, 'opened', 'a'), own(252, 'opened', 'b'), own(253, 'resolved', 'a')]), {
    outcome: 'ok',
  });
  t.match(findingsOf(receiver.requests.at(-1) as Received), [
    { Id: 'plimsoll/b', RecordState: 'ACTIVE', Compliance: { Status: 'FAILED' } },
    { Id: 'plimsoll/a', RecordState: 'ARCHIVED', Compliance: { Status: 'PASSED' } },
  ]);
});

void t.test('findings that fail become dead letters, those that fail for now are sent again', async (t) => {
  const { receiver, sink } = await start(t);
  const batch = [own(1), own(2), own(3)];
  const uids = batch.map(({ uid }) => uid);
  const failing = (...failed: readonly (readonly [string, string])[]): void =>
    receiver.answer(() =>
      answerOf(
        3 - failed.length,
        failed.map(([Id, ErrorCode]) => ({ Id, ErrorCode, ErrorMessage: '<script>' })),
      ),
    );
  failing(['plimsoll/finding-2', 'InvalidInput']);
  t.match(await sink.send(batch), {
    outcome: 'reject',
    uids: [uids[1]],
    reason: 'findings were answered with InvalidInput',
  });
  failing(['plimsoll/finding-2', 'InvalidInput'], ['plimsoll/finding-3', 'InternalException']);
  t.match(await sink.send(batch), { outcome: 'retry', reason: /InternalException/ });
  failing(['plimsoll/finding-1', '\u001b[31m']);
  t.match(await sink.send(batch), { outcome: 'reject', uids: [uids[0]], reason: /an error without a code$/ });
  failing(['plimsoll/of-someone-else', 'InvalidInput']);
  t.match(await sink.send(batch), { outcome: 'retry' }, 'an answer about a finding that was not sent');
  failing(['plimsoll/finding-1', 'InvalidInput'], ['plimsoll/finding-1', 'InvalidInput']);
  t.match(await sink.send(batch), { outcome: 'retry' }, 'twice the same');
  for (const answer of [answerOf(2), answerOf(4), { status: 200, body: '<html>' }, { status: 200, body: '{}' }]) {
    receiver.answer(() => answer);
    t.match(await sink.send(batch), { outcome: 'retry' }, JSON.stringify(answer));
  }
  const call = (status: number, code: string): void =>
    receiver.answer(() => ({ status, headers: { 'x-amzn-errortype': code } }));
  call(400, 'InvalidInputException');
  t.match(await sink.send(batch), { outcome: 'split', reason: 'HTTP 400 InvalidInputException' });
  for (const [status, code] of [
    [400, 'ExpiredTokenException'],
    [401, 'InvalidAccessException'],
    [403, 'InvalidSignatureException'],
    [429, 'LimitExceededException'],
    [500, 'InternalException'],
  ] as const) {
    call(status, code);
    t.match(await sink.send(batch), { outcome: 'retry', reason: `HTTP ${String(status)} ${code}` });
  }
  receiver.answer(accept);
  t.same(await sink.send(batch), { outcome: 'ok' });
});

void t.test('events that are no findings are not sent, and count as delivered', async (t) => {
  const { receiver, sink } = await start(t);
  const refusal = {
    position: 1,
    uid: 'r',
    operation: 'enroll',
    nodeId: '',
    address: '192.0.2.1',
    reason: 'x',
    atMs: 1e12,
    suppressed: 0,
  } as const;
  t.same(await sink.send([refusal]), { outcome: 'ok' });
  t.equal(receiver.requests.length, 0);
  t.same(await sink.send([refusal, ...events(2, 2)]), { outcome: 'ok' });
  t.equal(receiver.requests.length, 1);
});
