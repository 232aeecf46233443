import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { parseAllDocuments } from 'yaml';
import { endAdmissionFindings, watchAdmission } from '../../../collector/kubernetes/admission-watch.ts';
import { createEventBus } from '../../../collector/store/event-bus.ts';
import { isFindingEvent } from '../../../collector/store/stored-event.ts';
import { openSqliteStore } from '../../../collector/store/sqlite.ts';
import { createKubernetesApi } from '../../../kubernetes/api-client.ts';
import { temporaryDirectory } from '../../cli/process.ts';
import { startApiServer } from '../../kubernetes/api-server.ts';
import { createFakeClock } from '../../service/fake-clock.ts';

const VALIDATING = 'GET /apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/plimsoll-admission';
const MUTATING = 'GET /apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/plimsoll-admission';
const NAMESPACES = 'GET /api/v1/namespaces?limit=500';
const EXEMPT = ['plimsoll', 'plimsoll-agents', 'kube-system'];

interface Configuration {
  webhooks: Record<string, unknown>[];
}

/** A configuration of the manifests, as the API server returns it: with its defaults, and the authority. */
function manifest(file: string): Configuration {
  const text = readFileSync(new URL(`../../../manifests/admission/${file}`, import.meta.url), 'utf8');
  const [document] = parseAllDocuments(text);
  const configuration = document?.toJS() as Configuration;
  for (const webhook of configuration.webhooks)
    Object.assign(webhook, {
      objectSelector: {},
      clientConfig: { ...(webhook['clientConfig'] as object), caBundle: 'LS0tLS1CRUdJTg==' },
    });
  return structuredClone(configuration);
}

const namespaces = (...items: readonly (readonly [name: string, labels?: object])[]) => ({
  body: {
    metadata: { resourceVersion: '1' },
    items: items.map(([name, labels]) => ({
      metadata: { name, labels: labels ?? { 'kubernetes.io/metadata.name': name } },
    })),
  },
});

async function start(t: Test) {
  const server = await startApiServer(t);
  const api = createKubernetesApi(server.access, 300);
  const store = await openSqliteStore({ path: `${temporaryDirectory(t)}/store.sqlite` });
  const clock = createFakeClock();
  const eventBus = createEventBus();
  const caBundles = new Set<string>();
  const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
  const watch = () => {
    const stop = new AbortController();
    const watching = watchAdmission({
      api,
      store,
      eventBus,
      exempt: EXEMPT,
      caBundles: () => caBundles,
      clock,
      log: silent,
      signal: stop.signal,
    });
    const end = async (): Promise<void> => {
      stop.abort();
      await watching.over;
    };
    t.teardown(end);
    return { ...watching, end };
  };
  t.teardown(async () => {
    api.close();
    await store.close();
  });
  const settled = async (): Promise<void> => {
    while (clock.waiting() === 0) await setImmediate();
  };
  const stored = async (): Promise<Readonly<Record<string, string>>> =>
    Object.fromEntries(
      (await store.findings({ limit: 10 })).findings.map(({ check, verdict, reason = '' }) => [
        check.replace('admission.', ''),
        reason === '' ? verdict : `${verdict}: ${reason}`,
      ]),
    );
  return {
    ...server,
    /** What the webhooks report. */
    caBundles,
    store,
    eventBus,
    clock,
    watch,
    stored,
    /** Lets so much time pass, with a round every two seconds. */
    pass: async (ms = 2_000) => {
      await settled();
      for (let left = ms; left > 0; left -= 2_000) {
        await clock.advance(2_000);
        await settled();
      }
      return stored();
    },
    settled,
  };
}

void t.test('an authority that no webhook keeps is found, and stays found', async (t) => {
  const cluster = await start(t);
  const { responses, pass, caBundles } = cluster;
  responses.set(NAMESPACES, namespaces(['default']));
  const withBundle = (caBundle: string): Configuration => {
    const configuration = manifest('webhooks.yaml');
    for (const webhook of configuration.webhooks)
      Object.assign(webhook, { clientConfig: { ...(webhook['clientConfig'] as object), caBundle } });
    return configuration;
  };
  const encode = (pem: string): string => Buffer.from(pem).toString('base64');
  const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');
  responses.set(VALIDATING, { body: withBundle(encode('own')) });
  cluster.watch();
  caBundles.add(hashOf('own'));
  t.equal((await pass()).webhook, 'pass');

  responses.set(VALIDATING, { body: withBundle(encode('evil')) });
  t.equal((await pass()).webhook, 'pass', 'a new authority that its webhook reports within seconds');
  t.match((await pass(10_000)).webhook, /^fail: pods\.plimsoll\.dev: clientConfig\.caBundle is sha256:/);
  // In and out again, to be given new time.
  responses.set(VALIDATING, { body: withBundle(encode('own')) });
  t.equal((await pass()).webhook, 'pass');
  responses.set(VALIDATING, { body: withBundle(encode('evil')) });
  t.match((await pass()).webhook, /^fail: /, 'no new time');
  // The webhooks fall silent, or the collector starts again.
  caBundles.clear();
  t.match((await pass(20_000)).webhook, /^fail: /, 'silence resolves nothing');
  caBundles.add(hashOf('own'));
  responses.set(VALIDATING, { body: withBundle(encode('own')) });
  t.equal((await pass()).webhook, 'pass');

  // Rotation: the webhook publishes both authorities, and reports what it publishes.
  responses.set(VALIDATING, { body: withBundle(encode('own next')) });
  await pass();
  caBundles.add(hashOf('own next'));
  t.equal((await pass(12_000)).webhook, 'pass');
});

const GOOD = { webhook: 'pass', 'exempt-namespace': 'pass' };

void t.test('a change or removal of the webhook is found in the next round, and ends when it is undone', async (t) => {
  const cluster = await start(t);
  const { responses, pass } = cluster;
  responses.set(NAMESPACES, namespaces(['default'], ['kube-system'], ['plimsoll']));
  let watching = cluster.watch();
  t.strictSame(await pass(), {}, 'a cluster without the webhook');
  const good = (): Configuration => manifest('webhooks.yaml');
  responses.set(VALIDATING, { body: good() });
  t.strictSame(await pass(), GOOD, 'as the manifests declare it');
  responses.set(MUTATING, { body: manifest('pin-tags.yaml') });
  t.strictSame(await pass(), GOOD, 'with pin-tags.yaml');
  t.strictSame(await cluster.store.nodes(), [], 'the cluster is no node');

  const selector = (...expressions: readonly object[]) => ({ matchExpressions: expressions });
  const [pods] = good().webhooks;
  const [declared] = (pods?.['rules'] ?? []) as readonly object[];
  const rulesOf = (over: object) => [{ ...declared, ...over }];
  const cases: readonly (readonly [what: string, over: object, reason: RegExp])[] = [
    ['failurePolicy', { failurePolicy: 'Ignore' }, /pods\.plimsoll\.dev: failurePolicy is Ignore/],
    ['matchPolicy', { matchPolicy: 'Exact' }, /matchPolicy is Exact/],
    ['reinvocationPolicy', { reinvocationPolicy: 'Never' }, /reinvocationPolicy is Never/],
    [
      'another server',
      { clientConfig: { url: 'https://198.51.100.1/', caBundle: 'eA==' } },
      /clientConfig\.url is https:/,
    ],
    [
      'another service',
      { clientConfig: { service: { namespace: 'evil', name: 'x', path: '/validate' }, caBundle: 'eA==' } },
      /clientConfig\.service is \["evil"/,
    ],
    [
      'no authority',
      { clientConfig: { ...(good().webhooks[0]?.['clientConfig'] as object), caBundle: undefined } },
      /caBundle is absent/,
    ],
    ['fewer operations', { rules: rulesOf({ operations: ['UPDATE'] }) }, /: rules is /],
    ['other resources', { rules: rulesOf({ resources: ['pods'] }) }, /: rules is /],
    ['no rules', { rules: [] }, /: rules is \[\]/],
    ['objects by label', { objectSelector: { matchLabels: { judged: 'yes' } } }, /objectSelector is /],
    ['a condition', { matchConditions: [{ name: 'x', expression: 'false' }] }, /matchConditions is /],
    ['a deadline of 1 s', { timeoutSeconds: 1 }, /timeoutSeconds is 1/],
    [
      'another namespace',
      {
        namespaceSelector: selector({
          key: 'kubernetes.io/metadata.name',
          operator: 'NotIn',
          values: ['prod', 'kube-system'],
        }),
      },
      /namespaceSelector is /,
    ],
    [
      'a label that exempts',
      { namespaceSelector: selector({ key: 'skip', operator: 'DoesNotExist' }) },
      /namespaceSelector is /,
    ],
    ['selected namespaces only', { namespaceSelector: { matchLabels: { judged: 'yes' } } }, /namespaceSelector is /],
  ];
  for (const [what, over, reason] of cases) {
    const tampered = good();
    Object.assign(tampered.webhooks[0] ?? {}, over);
    responses.set(VALIDATING, { body: tampered });
    t.match((await pass()).webhook, new RegExp(`^fail: .*${reason.source}`), what);
  }
  responses.set(VALIDATING, { body: { webhooks: good().webhooks.slice(0, 1) } });
  t.match((await pass()).webhook, /templates\.plimsoll\.dev is absent/);
  responses.set(VALIDATING, { body: { webhooks: [...good().webhooks, { ...good().webhooks[0], name: 'x.example' }] } });
  t.match((await pass()).webhook, /x\.example is registered/);
  // Order is not a change.
  responses.set(VALIDATING, { body: { webhooks: good().webhooks.toReversed() } });
  t.strictSame(await pass(), GOOD);

  responses.delete(VALIDATING);
  t.match(await pass(), {
    webhook: /^fail: the webhook configuration was deleted/,
    'exempt-namespace': /^notApplicable/,
  });
  await watching.end();
  watching = cluster.watch();
  t.match((await pass()).webhook, /deleted/, 'also after a restart of the collector');
  responses.set(VALIDATING, { body: good() });
  t.strictSame(await pass(), GOOD);
  const events = (await cluster.store.outbox(0, 1_000)).filter(isFindingEvent);
  t.match(events.at(-1), { action: 'resolved', finding: { nodeName: 'kubernetes', check: 'admission.webhook' } });
  await watching.end();
  await endAdmissionFindings(cluster);
  t.strictSame(await cluster.stored(), {}, 'switched off');
});

void t.test('exempt namespaces', async (t) => {
  const cluster = await start(t);
  const { responses, pass } = cluster;
  responses.set(VALIDATING, { body: manifest('webhooks.yaml') });
  responses.set(NAMESPACES, namespaces(['default'], ['kube-system'], ['old', {}]));
  cluster.watch();
  t.strictSame(await pass(), GOOD, 'a namespace without the label is judged');
  // Before 1.21 anybody who may change a namespace can set this label.
  responses.set(NAMESPACES, namespaces(['default'], ['prod', { 'kubernetes.io/metadata.name': 'kube-system' }]));
  t.match(await pass(), {
    webhook: 'pass',
    'exempt-namespace': 'fail: the webhook is not asked about namespace prod',
  });
  const tampered = manifest('webhooks.yaml');
  Object.assign(tampered.webhooks[0] ?? {}, {
    namespaceSelector: { matchExpressions: [{ key: 'skip', operator: 'DoesNotExist' }] },
  });
  responses.set(VALIDATING, { body: tampered });
  responses.set(NAMESPACES, namespaces(['default'], ['prod', { skip: '' }], ['shop', { skip: 'x' }]));
  t.match((await pass())['exempt-namespace'], /namespace prod and 1 more/);
});

void t.test('what cannot be read is unknown after a minute, and no failure becomes milder', async (t) => {
  const cluster = await start(t);
  const { responses, pass } = cluster;
  responses.set(VALIDATING, { status: 403, body: { kind: 'Status', message: 'forbidden' } });
  const watching = cluster.watch();
  t.strictSame(await pass(62_000), {}, 'nothing was ever there');
  t.match(watching.issues(), [{ code: 'clusterUnreadable', text: /cannot be watched since .*HTTP 403/ }]);
  responses.set(VALIDATING, { body: manifest('webhooks.yaml') });
  responses.set(NAMESPACES, namespaces(['default']));
  t.strictSame(await pass(), GOOD);
  t.strictSame(watching.issues(), []);
  for (const failure of ['reset', { body: 'x' }, { body: { webhooks: 'x' } }, { status: 500, body: {} }] as const) {
    responses.set(VALIDATING, failure);
    t.strictSame(await pass(58_000), GOOD, 'a short failure changes nothing');
    t.match(await pass(6_000), { webhook: /^unknown: .*since/, 'exempt-namespace': /^unknown/ });
    responses.set(VALIDATING, { body: manifest('webhooks.yaml') });
    t.strictSame(await pass(), GOOD);
  }
  responses.set(NAMESPACES, { status: 403, body: {} });
  t.match(await pass(64_000), { webhook: 'pass', 'exempt-namespace': /^unknown/ });
  const tampered = manifest('webhooks.yaml');
  Object.assign(tampered.webhooks[0] ?? {}, { failurePolicy: 'Ignore' });
  responses.set(VALIDATING, { body: tampered });
  t.match((await pass()).webhook, /^fail/);
  responses.set(VALIDATING, 'reset');
  t.match((await pass(120_000)).webhook, /^fail/, 'whoever cuts the connection hides nothing');
});
