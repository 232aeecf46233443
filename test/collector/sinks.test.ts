import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import t from 'tap';
import type { NodeLookup } from '../../collector/node-lookup.ts';
import { createRenderFor, openSinks, sinkNames, testSinkOf } from '../../collector/sinks.ts';
import { systemClock } from '../../service/clock.ts';
import { ROOT } from '../../scripts/setup.mjs';
import { SINK_NAMES } from '../../service/config/sink-names.ts';
import { settingsWith } from '../fixture/settings.ts';
import { startDeliveryWorker } from '../../collector/sink/delivery-worker.ts';
import { openRedactions } from '../../collector/sink/redactions.ts';
import { createEventBus } from '../../collector/store/event-bus.ts';
import { openSqliteStore } from '../../collector/store/sqlite.ts';
import { collectLines } from './session/collector.ts';
import type { Line } from './session/collector.ts';
import { commit, finding, nodeRow, T0 } from './store/fleet.ts';
import { events } from './sink/events.ts';
import { CHECKS } from '../../posture/check/registry.ts';
import { startHttpReceiver } from './sink/http-receiver.ts';
import type { Answer } from './sink/http-receiver.ts';

const silent = { warn: () => undefined };
const nobody: NodeLookup = { all: () => Promise.resolve([]), byId: () => Promise.resolve(() => undefined) };

void t.test('the sinks over HTTPS are those of the settings, with their secrets', async (t) => {
  const receiver = await startHttpReceiver(t, ({ url, body }) =>
    url.endsWith('_bulk')
      ? {
          status: 200,
          body: JSON.stringify({
            items: body.split('\n').flatMap((_, index) => (index % 2 === 1 ? [{ create: { status: 201 } }] : [])),
          }),
        }
      : { status: 200, headers: { etag: '"0"' }, body: '{"code":0,"FailedCount":0,"SuccessCount":1}' },
  );
  const { url, caFile } = receiver;
  const secret = receiver.secret('the-secret');
  const settings = await settingsWith('collector', {
    'sink-ndjson': 'off',
    'sink-webhook': `${url}/hook`,
    'sink-webhook-ca': caFile,
    'sink-webhook-key': secret,
    'sink-splunk': `${url}/services/collector/event`,
    'sink-splunk-ca': caFile,
    'sink-splunk-token': secret,
    'sink-splunk-index': 'security',
    'sink-elasticsearch': `${url}/plimsoll/_bulk`,
    'sink-elasticsearch-ca': caFile,
    'sink-elasticsearch-secret': secret,
    'sink-otlp': `${url}/v1/logs`,
    'sink-otlp-ca': caFile,
    'sink-otlp-encoding': 'json',
    'sink-otlp-compression': 'none',
    'sink-s3': url,
    'sink-s3-ca': caFile,
    'sink-s3-bucket': 'archive',
    'sink-s3-region': 'eu-west-3',
    'sink-s3-max-events': '3',
    'sink-security-hub': url,
    'sink-security-hub-ca': caFile,
    'sink-security-hub-account': '111122223333',
  });
  const nodes: NodeLookup = {
    all: () => Promise.resolve([nodeRow()]),
    byId: () => Promise.resolve((id) => (id === 'n1' ? nodeRow() : undefined)),
  };
  const sinks = await openSinks({
    settings,
    version: '1.2.3',
    clock: systemClock(),
    checks: CHECKS,
    nodes,
    log: silent,
    redactions: new Map(),
    standardOutput: new PassThrough(),
    environment: { AWS_ACCESS_KEY_ID: 'AKIATEST', AWS_SECRET_ACCESS_KEY: 'the-secret' },
  });
  t.teardown(() => Promise.all(sinks.map((sink) => sink.close())));
  t.strictSame(sinkNames(settings), ['webhook', 'splunk', 'elasticsearch', 'otlp', 's3', 'security-hub']);
  t.strictSame(
    sinks.map(({ name }) => name),
    sinkNames(settings),
  );
  for (const sink of sinks) t.match(await sink.send(events(1, 3)), { outcome: 'ok' }, sink.name);
  const [hook, splunk, elasticsearch, otlp, s3, hub] = receiver.requests;
  t.match(hook, { url: '/in/hook', headers: { 'x-plimsoll-signature': /^sha256=[0-9a-f]{64}$/ } });
  t.match(splunk, {
    url: '/in/services/collector/event',
    headers: { authorization: 'Splunk the-secret' },
    body: /"index":"security"/,
  });
  t.match(elasticsearch, { url: '/in/plimsoll/_bulk', headers: { authorization: 'ApiKey the-secret' } });
  t.match(otlp, { url: '/in/v1/logs', body: /"stringValue":"1.2.3"/ });
  t.match(s3, {
    url: /^\/in\/archive\/plimsoll\/2026\/.*-store-1-time\.ndjson\.gz$/,
    headers: { authorization: /Credential=AKIATEST\/\d{8}\/eu-west-3\/s3\// },
  });
  t.match(hub, { url: '/in/findings/import', body: /"AwsAccountId":"111122223333"/ });
  t.notMatch(receiver.requests.map(({ body }) => body).join(''), /the-secret/);
  const none = { log: silent, redactions: new Map() };
  const parts = {
    ...none,
    version: '1.2.3',
    clock: systemClock(),
    checks: CHECKS,
    nodes,
    standardOutput: new PassThrough(),
  };
  await t.rejects(openSinks({ ...parts, settings: await settingsWith('collector', { 'sink-s3': url }) }), {
    message: /sink-s3-bucket/,
  });
  await t.rejects(openSinks({ ...parts, settings: await settingsWith('collector', { 'sink-security-hub': url }) }), {
    message: /sink-security-hub-account/,
  });
  const off = await settingsWith('collector', { 'sink-ndjson': 'off' });
  t.strictSame(sinkNames(off), []);
});

void t.test('the test of a sink says which step fails, and never tells a secret', async (t) => {
  const receiver = await startHttpReceiver(t, ({ headers }) => ({
    status: headers['x-plimsoll-signature'] === undefined && headers['x-amz-date'] === undefined ? 401 : 200,
    headers: { etag: '"0"' },
  }));
  const { url, caFile } = receiver;
  const secret = receiver.secret('the-secret');
  const directory = t.testdir();
  const nodes = nobody;
  const run = async (name: string, flags: Readonly<Record<string, string>>) => {
    const settings = await settingsWith('collector', { 'sink-ndjson': 'off', ...flags });
    const parts = {
      settings,
      version: '1.2.3',
      clock: systemClock(),
      nodes,
      checks: CHECKS,
      log: silent,
      redactions: new Map(),
    };
    return testSinkOf(name, { ...parts, standardOutput: new PassThrough() });
  };
  const hook = { 'sink-webhook': `${url}/hook`, 'sink-webhook-ca': caFile, 'sink-webhook-key': secret };
  const good = await run('webhook', hook);
  t.match(good?.steps, [
    { step: 'resolve', ok: true },
    { step: 'connect', ok: true },
    { step: 'tls', ok: true, detail: /^TLSv1\.3, certificate of .*, valid until / },
    { step: 'send', ok: true, detail: /accepted the test event test-/ },
  ]);
  const [sent] = JSON.parse(receiver.requests.at(-1)?.body ?? '[]') as readonly Record<string, unknown>[];
  t.match(sent, { class_uid: 2003, status: 'Resolved', metadata: { uid: good?.eventUid }, message: /sink-test/ });
  const failing: readonly (readonly [string, Readonly<Record<string, string>>, object])[] = [
    ['webhook', { ...hook, 'sink-webhook-key': 'none' }, { step: 'authenticate', detail: 'HTTP 401', advice: /token/ }],
    ['webhook', { ...hook, 'sink-webhook-ca': 'system' }, { step: 'tls', advice: /sink-webhook-ca/ }],
    ['webhook', { ...hook, 'sink-webhook': 'https://127.0.0.1:1/x' }, { step: 'connect', detail: 'ECONNREFUSED' }],
    [
      'webhook',
      { ...hook, 'sink-webhook': 'https://no-such-host.invalid/x' },
      { step: 'resolve', advice: /host name/ },
    ],
    ['ndjson', { 'sink-ndjson': `${directory}/no/such/file` }, { step: 'send', detail: /ENOENT/ }],
  ];
  for (const [name, flags, expected] of failing) {
    const found = await run(name, flags);
    t.match(found?.steps.at(-1), { ok: false, ...expected }, JSON.stringify(expected));
    t.notMatch(JSON.stringify(found), 'the-secret');
  }
  const splunk = { 'sink-splunk': `${url}/x`, 'sink-splunk-ca': caFile, 'sink-splunk-token': secret };
  const html = { status: 200, body: '<html>the-secret</html>' };
  const answered: readonly (readonly [string, Readonly<Record<string, string>>, Answer, object])[] = [
    ['webhook', hook, { status: 403 }, { step: 'authenticate', detail: 'HTTP 403' }],
    ['webhook', hook, { status: 405 }, { step: 'send', advice: /path/ }],
    ['webhook', hook, { status: 429 }, { step: 'send', advice: /limit/ }],
    ['webhook', hook, { status: 302, headers: { location: url } }, { step: 'send', advice: /redirects/ }],
    ['webhook', hook, { misbehave: 'is-no-http' }, { step: 'send', advice: /does not speak HTTP/ }],
    ['webhook', hook, { misbehave: 'resets' }, { step: 'send', advice: /TLS or a client certificate/ }],
    ['splunk', splunk, html, { step: 'send', detail: /not that of the HTTP Event Collector/, advice: /path/ }],
    ['splunk', { ...splunk, 'sink-splunk-ack': 'on' }, html, { step: 'send', detail: /sink-splunk-ack to off/ }],
  ];
  for (const [name, flags, answer, expected] of answered) {
    receiver.answer(() => answer);
    const found = await run(name, flags);
    t.match(found?.steps.at(-1), { ok: false, ...expected }, JSON.stringify(answer));
    t.notMatch(JSON.stringify(found), 'the-secret');
  }
  receiver.answer(() => ({ status: 200, headers: { etag: '"0"' } }));
  t.match(await run('ndjson', { 'sink-ndjson': `${directory}/events.ndjson` }), {
    steps: [{ step: 'send', ok: true }],
  });
  const credentials = receiver.secret('aws_access_key_id=AKIATEST\naws_secret_access_key=the-secret');
  const s3 = { 'sink-s3': url, 'sink-s3-ca': caFile, 'sink-s3-bucket': 'archive', 'sink-s3-credentials': credentials };
  const archived = await run('s3', s3);
  t.match(archived?.steps.at(-1), { step: 'send', ok: true }, 'it does not wait for an object to be full');
  t.ok(receiver.requests.at(-1)?.url.endsWith(`-${archived?.eventUid ?? ''}.ndjson.gz`));
  t.match((await run('s3', { ...s3, 'sink-s3-credentials': 'environment' }))?.steps.at(-1), {
    ok: false,
    step: 'authenticate',
    detail: /AWS_ACCESS_KEY_ID is not set/,
  });
  t.equal(await run('syslog', {}), undefined, 'it is off');
});

void t.test('a filter leaves events out, which move the cursor, and sends what it cannot judge', async (t) => {
  const receiver = await startHttpReceiver(t, () => ({ status: 200 }));
  const warnings: unknown[] = [];
  const open = async (filter: string, groups = 'findings,refusals') => {
    const settings = await settingsWith('collector', {
      'sink-ndjson': 'off',
      'sink-webhook': `${receiver.url}/hook`,
      'sink-webhook-ca': receiver.caFile,
      'sink-webhook-events': groups,
      'sink-webhook-filter': filter,
    });
    const log = { warn: (fields: object | string) => void warnings.push(fields) };
    const redactions = await openRedactions(settings);
    const parts = { settings, version: '1', clock: systemClock(), checks: CHECKS, nodes: nobody, log, redactions };
    const [sink] = await openSinks({ ...parts, standardOutput: new PassThrough() });
    if (sink === undefined) throw new Error('no sink');
    t.teardown(() => sink.close());
    return sink;
  };
  const store = await openSqliteStore({ path: join(t.testdir({}), 'store.sqlite') });
  t.teardown(() => store.close());
  const put = [
    finding({ on: 'prod-db', severity: 'high' }),
    finding({ on: 'test-1', severity: 'high' }),
    finding({ on: 'prod-web', severity: 'low' }),
  ];
  await store.commit([commit({ sequence: 1, snapshot: true, put })]);
  const refusal = { operation: 'session', nodeId: '', address: '192.0.2.9', reason: 'expired', atMs: T0 } as const;
  await store.recordRefusals([{ ...refusal, suppressed: 0 }]);
  // A refusal has no `resources`: the text of nothing cannot contain anything, so it is not known whether it is wanted.
  const sink = await open('event.severity_id >= 3 && !event.resources[0].name.contains("test-")');
  const eventBus = createEventBus();
  const lines: Line[] = [];
  const options = { store, eventBus, clock: systemClock(), log: collectLines(lines) };
  const worker = startDeliveryWorker({ ...options, sink });
  t.teardown(() => worker.stop());
  await t.resolves(until(() => worker.status().delivered === 2));
  const names = receiver.requests.flatMap(({ body }) =>
    (JSON.parse(body) as { resources?: readonly { name: string }[] }[]).map(({ resources }) => resources?.[0]?.name),
  );
  t.strictSame(names, ['name-of-prod-db', undefined], 'in order');
  t.match(worker.status(), { filtered: 2, undecided: 1, rejected: 0, state: 'ok' });
  t.match(
    lines.filter(({ level }) => level === 'warn').map((line) => JSON.stringify(line)),
    [/cannot be decided/],
  );
  t.equal((await store.backlog('webhook')).events, 0, 'nothing waits');
  t.strictSame(warnings, [], 'nothing hides that findings are resolved');

  await open('event.status != "Resolved" && event.device.name == "web-1"');
  t.match(warnings, [{ setting: 'sink-webhook-filter', reason: /fixed, so the finding stays open/ }]);
  await open('event.status != "Resolved"', 'refusals');
  t.equal(warnings.length, 1, 'a sink that gets no findings');
  await t.rejects(open('event.device.hostnme == "web-1"'), {
    code: 'sink',
    message: 'sink-webhook-filter: event.device has no field `hostnme`; did you mean `hostname`? (at character 14)',
  });
});

void t.test('a sink gets redacted events only, also as the test event and as dead letters', async (t) => {
  const receiver = await startHttpReceiver(t, () => ({ status: 200, body: '{"code":0}' }));
  const key = receiver.secret('0123456789abcdef0123456789abcdef');
  const flags = {
    'sink-ndjson': 'off',
    'sink-ndjson-redact': 'device.uid',
    'sink-splunk': `${receiver.url}/services/collector/event`,
    'sink-splunk-ca': receiver.caFile,
    'sink-splunk-token': key,
    'sink-splunk-redact': 'device.name=hash, resources[].name',
    'sink-redact-key': key,
  };
  const settings = await settingsWith('collector', flags);
  const redactions = await openRedactions(settings);
  const parts = {
    settings,
    version: '1',
    clock: systemClock(),
    checks: CHECKS,
    nodes: nobody,
    log: silent,
    redactions,
  };
  const withOutput = { ...parts, standardOutput: new PassThrough() };
  const [sink] = await openSinks(withOutput);
  t.teardown(() => sink?.close());
  t.match(await sink?.send(events(1, 1)), { outcome: 'ok' });
  t.match(await testSinkOf('splunk', withOutput), { steps: [{}, {}, {}, { step: 'send', ok: true }] });
  const [first, test] = receiver.requests.map(({ body }) => body);
  t.match(first, /"host":"hmac-[0-9a-f]{32}"/);
  t.notMatch(first, /web-1|name-of-c1/);
  // The name of the node of the test event is the name of its subject as well: the stricter rule counts.
  t.match(test, /"host":"redacted"/);
  t.notMatch(test, /"(?:uid|name|hostname|host)":"plimsoll-sink-test"/);
  const renderFor = createRenderFor(parts);
  const shown = async (name: string): Promise<string> => JSON.stringify(await renderFor(events(1, 1), name));
  t.notMatch(await shown('splunk'), /web-1|name-of-c1/);
  t.match(await shown('ndjson'), /"uid":"redacted","name":"web-1"/, 'of a sink that is off');
  t.match(await shown('syslog'), /web-1/, 'of a sink without redaction');
  for (const [over, message] of [
    [
      { 'sink-splunk-redact': 'device.hostnam' },
      /`device\.hostnam`: device has no attribute.*did you mean `hostname`\?/,
    ],
    [{ 'sink-redact-key': 'none' }, /sink-splunk-redact has `=hash`, and sink-redact-key names no key/],
    [{ 'sink-redact-key': '/no/such/key' }, /sink-redact-key: \/no\/such\/key/],
    [{ 'sink-redact-key': receiver.secret('short') }, /fewer than 16 characters/],
  ] as const)
    await t.rejects(
      settingsWith('collector', { ...flags, ...over }).then(openRedactions),
      { code: 'sink', message },
      String(message),
    );
});

async function until(done: () => boolean): Promise<void> {
  const endMs = Date.now() + 30_000;
  while (!done() && Date.now() < endMs) await new Promise((resolve) => setTimeout(resolve, 10));
  if (!done()) throw new Error('it did not happen within 30 s');
}

void t.test('every kind of sink passes the conformance suite', async (t) => {
  const folder = join(ROOT, 'test', 'collector', 'sink');
  const suites = readdirSync(folder)
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .filter((text) => /\b(?:httpSinkSuite|sinkConformance)\(/.test(text));
  for (const name of SINK_NAMES) {
    const create = `create${name.replaceAll('-', '')}Sink`.toLowerCase();
    t.ok(
      suites.some((text) => text.toLowerCase().includes(create)),
      name,
    );
  }
});
