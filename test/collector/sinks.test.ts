import { PassThrough } from 'node:stream';
import t from 'tap';
import type { NodeLookup } from '../../collector/node-lookup.ts';
import { openSinks, sinkNames, testSinkOf } from '../../collector/sinks.ts';
import { systemClock } from '../../service/clock.ts';
import { settingsWith } from '../fixture/settings.ts';
import { nodeRow } from './store/fleet.ts';
import { events } from './sink/events.ts';
import { CHECKS } from '../../posture/check/registry.ts';
import { startHttpReceiver } from './sink/http-receiver.ts';

void t.test('the sinks over HTTPS are those of the settings, with their secrets', async (t) => {
  const receiver = await startHttpReceiver(t, ({ url, body }) =>
    url.endsWith('_bulk')
      ? {
          status: 200,
          body: JSON.stringify({
            items: body.split('\n').flatMap((_, index) => (index % 2 === 1 ? [{ create: { status: 201 } }] : [])),
          }),
        }
      : { status: 200, headers: { etag: '"0"' }, body: '{"FailedCount":0,"SuccessCount":1}' },
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
  const parts = { version: '1.2.3', clock: systemClock(), checks: CHECKS, nodes, standardOutput: new PassThrough() };
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
  const nodes: NodeLookup = { all: () => Promise.resolve([]), byId: () => Promise.resolve(() => undefined) };
  const run = async (name: string, flags: Readonly<Record<string, string>>) => {
    const settings = await settingsWith('collector', { 'sink-ndjson': 'off', ...flags });
    const parts = { settings, version: '1.2.3', clock: systemClock(), nodes, checks: CHECKS };
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
    ['webhook', { ...hook, 'sink-webhook-ca': 'system' }, { step: 'tls', advice: /sink-NAME-ca/ }],
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
