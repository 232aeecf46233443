import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { publishReports } from '../../../collector/kubernetes/publish-reports.ts';
import { toReports } from '../../../collector/kubernetes/report-objects.ts';
import { createEventBus } from '../../../collector/store/event-bus.ts';
import { openSqliteStore } from '../../../collector/store/sqlite.ts';
import { StoreError } from '../../../collector/store/error.ts';
import { NO_WAIVERS } from '../../../collector/store/waived-findings.ts';
import type { FindingWaivers } from '../../../collector/store/waived-findings.ts';
import { createKubernetesApi } from '../../../kubernetes/api-client.ts';
import { issueCertificate } from '../../../service/tls/issue.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import { commit, commitEvents, finding, nodeRow } from '../store/fleet.ts';

type Json = Record<string, unknown>;
interface Meta {
  name: string;
  namespace?: string;
  resourceVersion: string;
  labels: Record<string, string>;
}
interface Stored extends Json {
  metadata: Meta;
  results: Json[];
}

/**
 * What the API conventions of Kubernetes say of custom objects: a create of a name that exists is 409, an update with an
 * older resourceVersion is 409, every change gives a new version, and a namespace must exist. `refuse` answers instead.
 */
async function startCluster(t: Test) {
  const objects = new Map<string, Stored>();
  const writes: string[] = [];
  let version = 100;
  const state = {
    refuse: (_method: string, _path: string): number | 'reset' | undefined => undefined,
    namespaces: new Set(['shop', 'bank']),
  };
  const answer = (method: string, url: URL, body: Json | undefined): readonly [number, unknown] => {
    const match =
      /^\/apis\/(wgpolicyk8s\.io\/v1alpha2|openreports\.io\/v1alpha1)(?:\/namespaces\/([^/]+))?\/([a-z]+)(?:\/([^/]+))?$/.exec(
        url.pathname,
      );
    const failed = (code: number) => [code, { kind: 'Status', message: `answer ${String(code)}` }] as const;
    if (match === null) return failed(404);
    const [, , namespace = '', resource = '', name] = match;
    if (!/^(cluster)?(policy)?reports$/.test(resource)) return failed(404);
    if (namespace !== '' && !state.namespaces.has(namespace)) return failed(404);
    if (method === 'GET') {
      const [label = '', value] = (url.searchParams.get('labelSelector') ?? '').split('=');
      const isCluster = resource.startsWith('cluster');
      const items = [...objects.values()]
        .filter(({ metadata }) => (metadata.namespace === undefined) === isCluster && metadata.labels[label] === value)
        .map(({ metadata }) => ({ metadata }));
      return [200, { kind: 'PartialObjectMetadataList', metadata: {}, items }];
    }
    writes.push(`${method} ${namespace}/${name ?? String((body?.['metadata'] as Meta | undefined)?.name)}`);
    const next = (): string => String((version += 1));
    if (method === 'POST') {
      const given = body as Stored;
      const key = `${namespace}/${given.metadata.name}`;
      if (objects.has(key)) return failed(409);
      const made = { ...given, metadata: { ...given.metadata, resourceVersion: next() } };
      objects.set(key, made);
      return [201, made];
    }
    const key = `${namespace}/${String(name)}`;
    const before = objects.get(key);
    if (before === undefined) return failed(404);
    if (method === 'DELETE') {
      objects.delete(key);
      return [200, { kind: 'Status' }];
    }
    const given = body as Stored;
    if (given.metadata.resourceVersion !== before.metadata.resourceVersion) return failed(409);
    const isSame = JSON.stringify({ ...before, ...given }) === JSON.stringify(before);
    const metadata = { ...before.metadata, ...given.metadata, ...(isSame ? {} : { resourceVersion: next() }) };
    const merged = { ...before, ...given, metadata };
    objects.set(key, merged);
    return [200, merged];
  };
  const ca = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  const leaf = await issueCertificate({ kind: 'server', names: ['127.0.0.1'] }, ca, Date.now());
  const server = createServer({ cert: leaf.certificatePem, key: leaf.keyPem }, (request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const text = Buffer.concat(parts).toString();
      const { method = '', url = '' } = request;
      const refused = state.refuse(method, url);
      if (refused === 'reset') return void request.socket.destroy();
      const body = text === '' ? undefined : (JSON.parse(text) as Json);
      const [status, value] =
        refused === undefined
          ? answer(method, new URL(url, 'https://api'), body)
          : [refused, { kind: 'Status', message: 'refused by the test' }];
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
      return undefined;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const credentials = () => Promise.resolve({ ca: ca.certificatePem, token: 'collector-token' });
  const api = createKubernetesApi({ address: { host: '127.0.0.1', port }, basePath: '', credentials });
  t.teardown(() => {
    api.close();
    server.closeAllConnections();
    server.close();
  });
  return { api, objects, writes, state };
}

const NODE = '1b6f0a52-6f0e-4a68-9d3e-4f0c7a1d2e3f';
const POD = { podUid: 'f2b9c6de-0000-4000-8000-000000000001', namespace: 'shop', pod: 'db-0' };
const container = (id: string, over: object = {}) => ({
  id,
  name: 'db',
  image: 'db:1',
  imageId: '',
  startedAt: '',
  ...over,
});
const ROW = nodeRow({ id: NODE, name: 'worker-1', containers: [container('c1', POD), container('c2')] });

async function open(
  t: Test,
  group: 'wgpolicyk8s.io' | 'openreports.io' = 'wgpolicyk8s.io',
  waivers: FindingWaivers = NO_WAIVERS,
) {
  const cluster = await startCluster(t);
  const store = await openSqliteStore({ path: join(t.testdir({}), 'store.sqlite'), waivers });
  t.teardown(() => store.close());
  await store.putNodes([ROW]);
  const clock = createFakeClock();
  const eventBus = createEventBus();
  const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
  let sequence = 0;
  const report = async (...put: readonly ReturnType<typeof finding>[]): Promise<void> => {
    sequence += 1;
    const events = await commitEvents(store, commit({ nodeId: NODE, sequence, snapshot: true, put: [...put] }));
    for (const event of events) eventBus.publish({ type: 'finding', event });
  };
  const broken = { isBroken: false };
  const start = () => {
    const stop = new AbortController();
    const findings: typeof store.findings = (filter) =>
      broken.isBroken ? Promise.reject(new StoreError('io', 'the disk is gone')) : store.findings(filter);
    const published = publishReports({
      api: cluster.api,
      group,
      store: { findings, nodes: store.nodes },
      eventBus,
      clock,
      random: () => 0.5,
      log,
      signal: stop.signal,
    });
    const end = async (): Promise<void> => {
      stop.abort();
      await published.over;
    };
    t.teardown(end);
    return { ...published, end };
  };
  /** Lets the clock run until something is so. */
  const until = async (is: () => boolean): Promise<void> => {
    for (let turn = 0; turn < 1_000 && !is(); turn += 1) {
      await clock.advance(30_000);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    if (!is()) throw new Error(`not within 1,000 turns: ${[...cluster.objects.keys()].join(', ')}`);
  };
  const results = (key: string): readonly string[] =>
    (cluster.objects.get(key)?.results ?? [])
      .map(({ policy, result }) => `${String(policy)} ${String(result)}`)
      .toSorted();
  return { ...cluster, store, start, report, until, results, broken, eventBus };
}

const CLUSTER_REPORT = `/plimsoll-${NODE}-1`;
const POD_REPORT = `shop/plimsoll-${NODE}-1`;
const onNode = finding({ check: 'kernel.lockdown', kind: 'node', on: NODE });
const inPod = finding({ check: 'container.privileged', on: 'c1', severity: 'high' });
const outside = finding({ check: 'container.privileged', on: 'c2' });

await t.test(
  'reports are the open findings: by namespace of the pod, changed, and deleted when all are resolved',
  async (t) => {
    const { objects, start, report, until, results, writes } = await open(t);
    await report(onNode, inPod, outside, finding({ check: 'kernel.kexec', kind: 'node', on: NODE, verdict: 'pass' }));
    const { issues } = start();
    await until(() => objects.size === 2);
    t.strictSame(results(CLUSTER_REPORT), ['container.privileged fail', 'kernel.lockdown fail']);
    t.strictSame(results(POD_REPORT), ['container.privileged fail']);
    t.match(objects.get(POD_REPORT), {
      apiVersion: 'wgpolicyk8s.io/v1alpha2',
      kind: 'PolicyReport',
      metadata: { labels: { 'app.kubernetes.io/managed-by': 'plimsoll-collector', 'plimsoll.io/node': NODE } },
      summary: { pass: 0, fail: 1, warn: 0, error: 0, skip: 0 },
      results: [{ severity: 'high', resources: [{ kind: 'Pod', namespace: 'shop', name: 'db-0', uid: POD.podUid }] }],
    });
    t.match(objects.get(CLUSTER_REPORT), {
      kind: 'ClusterPolicyReport',
      scope: { kind: 'Node', name: 'worker-1', uid: NODE },
    });
    await report(onNode, { ...inPod, verdict: 'unknown', reason: 'EACCES on /proc/7' });
    await until(() => results(POD_REPORT)[0] === 'container.privileged error');
    t.strictSame(results(CLUSTER_REPORT), ['kernel.lockdown fail']);
    await report({ ...onNode, verdict: 'pass' });
    await until(() => objects.size === 0);
    t.strictSame(issues(), []);
    const before = writes.length;
    await report({ ...onNode, verdict: 'pass' });
    await until(() => true);
    t.equal(writes.length, before, 'what is equal is not written');
  },
);

await t.test('a waived finding is in no report; it is back when its waiver ends', async (t) => {
  let isWaived = true;
  const waiver = { name: 'legacy', owner: 'shop team', reason: 'replaced soon', expires: '2027-01-31' };
  const { objects, start, report, until, results } = await open(t, 'wgpolicyk8s.io', {
    checks: () => new Set(['container.privileged']),
    accept: ({ check }) => (isWaived && check === 'container.privileged' ? waiver : undefined),
  });
  await report(onNode, inPod);
  start();
  await until(() => objects.size === 1);
  t.strictSame(results(CLUSTER_REPORT), ['kernel.lockdown fail']);
  isWaived = false;
  await report(onNode, { ...inPod, severity: 'critical' });
  await until(() => objects.size === 2);
  t.strictSame(results(POD_REPORT), ['container.privileged fail']);
});

await t.test(
  'what others change is put right, what is theirs is left alone, and nothing of theirs holds up the rest',
  async (t) => {
    const { objects, start, report, until, results } = await open(t);
    const labels = { 'app.kubernetes.io/managed-by': 'plimsoll-collector', 'plimsoll.io/node': NODE };
    const theirs = (name: string, of: Record<string, string>, namespace = 'bank'): void => {
      const metadata = { name, namespace, resourceVersion: '7', labels: of };
      objects.set(`${namespace}/${name}`, { metadata, results: [] });
    };
    theirs('kyverno', { 'app.kubernetes.io/managed-by': 'kyverno' });
    theirs('other-name', labels);
    theirs(`plimsoll-${NODE}-9`, labels);
    theirs(`plimsoll-${NODE}-1`, {}, 'shop');
    await report(onNode, inPod);
    const { issues, end } = start();
    await until(() => results(CLUSTER_REPORT).length === 1 && issues().length > 0);
    t.match(issues(), [
      { code: 'policyReports', text: /plimsoll-\S+-1 in the namespace shop exists without the label/ },
    ]);
    t.ok(objects.has('bank/kyverno'));
    t.ok(objects.has('bank/other-name'), 'the label alone is not enough');
    t.notOk(objects.has(`bank/plimsoll-${NODE}-9`), 'a report that is left from before');
    objects.delete(POD_REPORT);
    await until(() => results(POD_REPORT).length === 1 && issues().length === 0);
    // Someone hides a finding, and a new process of the collector does not know what the last one wrote.
    await end();
    const forged = objects.get(CLUSTER_REPORT);
    if (forged !== undefined)
      objects.set(CLUSTER_REPORT, {
        ...forged,
        results: [],
        metadata: { ...forged.metadata, resourceVersion: '99999' },
      });
    start();
    await until(() => results(CLUSTER_REPORT).length === 1);
    objects.delete(POD_REPORT);
    await until(() => results(POD_REPORT).length === 1);
  },
);

await t.test('a fault of the API server or of the store loses no report and deletes none', async (t) => {
  const { objects, start, report, until, results, state, broken, eventBus, store } = await open(t);
  await report(onNode, inPod);
  const { issues } = start();
  await until(() => objects.size === 2);
  for (const refusal of [403, 404, 409, 429, 500, 'reset'] as const) {
    state.refuse = () => refusal;
    await report({ ...onNode, verdict: 'pass' }, inPod);
    await until(() => issues().length > 0);
    await report({ ...onNode, verdict: 'unknown', reason: String(refusal) }, inPod);
    t.equal(objects.size, 2, String(refusal));
    state.refuse = () => undefined;
    await until(() => issues().length === 0 && results(CLUSTER_REPORT)[0] === 'kernel.lockdown error');
    t.match(objects.get(CLUSTER_REPORT)?.results[0], { message: new RegExp(`: ${String(refusal)}$`) });
  }
  broken.isBroken = true;
  eventBus.publish({ type: 'node', node: ROW });
  await until(() => issues().length > 0);
  t.match(issues(), [{ text: /the disk is gone/ }]);
  t.equal(objects.size, 2, 'nothing read is not nothing found');
  broken.isBroken = false;
  await until(() => issues().length === 0);
  // The namespace is deleted with everything in it.
  state.namespaces.delete('shop');
  objects.delete(POD_REPORT);
  let attempts = 0;
  state.refuse = (method, path) => {
    if (method === 'POST' && path.includes('/namespaces/shop/')) attempts += 1;
    return undefined;
  };
  await until(() => attempts > 0);
  await until(() => issues().length === 0);
  await store.removeNode(NODE, Date.now());
  eventBus.publish({ type: 'nodeRemoved', nodeId: NODE });
  await until(() => objects.size === 0);
});

await t.test('openreports.io, and bounds', async (t) => {
  const { objects, start, report, until } = await open(t, 'openreports.io');
  await report(onNode, inPod);
  start();
  await until(() => objects.size === 2);
  t.match(objects.get(POD_REPORT), { apiVersion: 'openreports.io/v1alpha1', kind: 'Report', source: 'plimsoll' });
  t.match(objects.get(CLUSTER_REPORT), { kind: 'ClusterReport' });

  const stored = (index: number, namespace: string) => ({
    ...finding({ on: `c${String(index)}`, reason: `\u202e${'x'.repeat(5_000)}` }),
    uid: String(index).padStart(32, '0'),
    nodeId: NODE,
    nodeName: 'worker-1',
    firstSeenMs: 1,
    changedMs: 1,
    namespace,
  });
  const many = Array.from({ length: 15_000 }, (_, index) => stored(index, `ns-${String(index % 100)}`));
  const containers = many.map(({ subject, namespace }) => container(subject.id, { ...POD, namespace }));
  const flooded = toReports('wgpolicyk8s.io', { ...ROW, containers }, many);
  t.ok(flooded.omitted >= 5_000 && flooded.omitted < 5_200, 'at most 10,000 results');
  for (const [count, omitted] of [
    [250, 0],
    [300, 44],
  ] as const) {
    const apart = Array.from({ length: count }, (_, index) => stored(index, `ns-${String(index)}`));
    const each = apart.map(({ subject, namespace }) => container(subject.id, { ...POD, namespace }));
    const reports = toReports('wgpolicyk8s.io', { ...ROW, containers: each }, apart);
    t.equal(reports.omitted, omitted, `${String(count)} pods, each in a namespace of its own`);
    t.equal(new Set(reports.objects.map(({ namespace }) => namespace)).size, count - omitted);
  }
  t.equal(
    flooded.omitted,
    15_000 - flooded.objects.reduce((sum, { body }) => sum + (body['results'] as object[]).length, 0),
  );
  // etcd takes requests of 1.5 MiB.
  for (const { body } of flooded.objects) t.ok(Buffer.byteLength(JSON.stringify(body)) < 1_000_000);
  t.notMatch(JSON.stringify(flooded.objects), '\u202e');
  const hostile = toReports(
    'wgpolicyk8s.io',
    {
      ...ROW,
      containers: ['../kube-system', 'kube-system/x', 'A', '', 'a'.repeat(64)].map((namespace, index) =>
        container(`c${String(index)}`, { ...POD, namespace }),
      ),
    },
    many.slice(0, 5),
  );
  t.strictSame(
    hostile.objects.map(({ namespace }) => namespace),
    [''],
    'what is no namespace is no part of a path',
  );
});
