import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { COMPONENTS, ROUTES } from '../../../collector/api/routes.ts';
import { encodeInventory } from '../../../proto/inventory-codec.ts';
import { followRunningImages } from '../../../collector/image/running-images.ts';
import { startPolicyService } from '../../../collector/policy/policy-service.ts';
import type { PolicyService } from '../../../collector/policy/policy-service.ts';
import { createEventBus } from '../../../collector/store/event-bus.ts';
import { openSqliteStore } from '../../../collector/store/sqlite.ts';
import type { Store } from '../../../collector/store/store.ts';
import { systemClock } from '../../../service/clock.ts';
import { document as policyText, NO_ANNOTATIONS } from '../../fixture/image-evidence.ts';
import { violations } from '../../fixture/json-schema.ts';
import { commit, finding, nodeRow, T0 } from '../store/fleet.ts';
import { startServer, TOKEN } from './server.ts';
import { UNUSED } from '../sink/events.ts';

const IMAGE_ID = nodeRow().containers[0]?.imageId ?? '';

type Json = Readonly<Record<string, unknown>>;
interface Operation {
  readonly operationId: string;
  readonly security: readonly unknown[];
  readonly parameters: readonly {
    readonly name: string;
    readonly in: string;
    readonly required: boolean;
    readonly schema: Json;
  }[];
  readonly requestBody?: { readonly content: Json };
  readonly responses: Readonly<
    Record<string, { readonly description: string; readonly content: Readonly<Record<string, { schema: Json }>> }>
  >;
}
interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Json>> };
}

const posted = (body: object): RequestInit => ({
  method: 'POST',
  body: JSON.stringify(body),
  headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
});

const document = async (fetchDocument: (path: string) => Promise<Response>): Promise<Document> =>
  (await (await fetchDocument('/openapi.json')).json()) as Document;

void t.test('every route is in the document, and nothing else', async (t) => {
  const server = await startServer(t);
  const { openapi, paths, components } = await document(server.fetch);
  t.match(openapi, /^3\.1\.\d$/);
  const documented = Object.entries(paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  );
  t.strictSame(documented.sort(), ROUTES.map(({ method, path }) => `${method} ${path}`).sort());
  const operations = Object.values(paths).flatMap((item) => Object.values(item));
  t.equal(new Set(operations.map(({ operationId }) => operationId)).size, ROUTES.length, 'operation ids are unique');
  t.strictSame(Object.keys(components.schemas).sort(), [...Object.keys(COMPONENTS), 'Error'].sort());
  for (const [path, item] of Object.entries(paths))
    for (const operation of Object.values(item)) {
      const named = operation.parameters.filter((parameter) => parameter.in === 'path');
      const wanted = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      t.strictSame(
        named.map(({ name }) => name),
        wanted,
        `${path}: path parameters`,
      );
      t.ok(named.every(({ required }) => required));
      // What hands out credentials needs an operator token itself.
      const isProbe = ['/healthz', '/livez', '/readyz'].includes(path);
      const isOpen = isProbe || path === '/v1/console/sessions';
      const isForPrograms = /^(?:create(?:ConsoleLink|JoinToken|OperatorToken)|report(?:Denials|Rollouts))$/;
      const ways = isOpen ? 0 : isForPrograms.test(operation.operationId) ? 1 : 2;
      t.equal(operation.security.length, ways, `${path}: operator token, or a session too`);
      t.equal('401' in operation.responses, !isProbe, `${path}: 401`);
    }
});

void t.test('every reference leads somewhere', async (t) => {
  const server = await startServer(t);
  const whole = await document(server.fetch);
  const references = [...JSON.stringify(whole).matchAll(/"\$ref":"([^"]*)"/g)].map(([, reference]) => reference ?? '');
  t.ok(references.length > 10);
  for (const reference of new Set(references)) {
    t.match(reference, /^#\/components\/schemas\/\w+$/);
    t.doesNotThrow(() => violations({ $ref: reference }, null, whole));
  }
});

const PLANNED = {
  id: 'r1',
  policy: 'shop',
  workload: { kind: 'Deployment', namespace: 'shop', name: 'db', uid: 'u1' },
  action: 'roll',
  state: 'awaitingApproval',
  changes: [{ container: 'db', from: 'db:1', to: `db:1@sha256:${'a'.repeat(64)}` }],
  reasons: ['db: severity high or worse: CVE-2026-1'],
  note: '',
};

void t.test('real answers match the document', async (t) => {
  const server = await startServer(t, {
    queries: {
      ask: () =>
        Promise.resolve({
          outcome: 'answered',
          answers: [
            {
              outcome: 'ok',
              nodeId: 'n1',
              nodeName: 'web-1',
              value: [{ a: null }],
              rows: 1,
              truncated: true,
              unread: ['x'],
            },
            { outcome: 'ok', nodeId: 'n1', nodeName: 'web-1', value: null, rows: 1, truncated: false },
            { outcome: 'error', nodeId: 'n1', nodeName: 'web-1', error: 'e' },
            { outcome: 'timeout', nodeId: 'n1', nodeName: 'web-1', deadlineMs: 5 },
            { outcome: 'offline', nodeId: 'n2', nodeName: 'db-1', sinceMs: T0 },
          ],
        }),
    },
    sinks: () => [
      { name: 'ndjson', position: 1, state: 'ok', lastError: '', delivered: 1, rejected: 0, discarded: 0, ...UNUSED },
      {
        name: 'syslog',
        position: 0,

        state: 'retrying',
        lastError: 'ECONNREFUSED',
        delivered: 0,
        rejected: 0,
        discarded: 0,
        ...UNUSED,
      },
    ],
    policies: await policyService(t),
    removeNode: () => Promise.resolve({ outcome: 'removed', node: nodeRow(), findings: 2, resolved: 1 }),
  });
  const created = await server.fetch('/v1/join-tokens', posted({ ttlMs: 60_000 }));
  const token = { id: ((await created.json()) as { token: string }).token.split('.')[0] ?? '' };
  const operatorToken = await server.createToken('operator');
  await server.store.putNodes([nodeRow()]);
  server.eventBus.publish({ type: 'node', node: nodeRow() });
  await server.store.putNodes([nodeRow({ id: 'n2', name: 'db-1', connected: false, offlineSinceMs: T0 })]);
  const put = [finding(), finding({ on: 'x', verdict: 'unknown', reason: 'not readable' })];
  await server.commit(commit({ nodeId: 'n3', sequence: 1, snapshot: true, put: [finding()] }));
  await server.commit(commit({ sequence: 1, snapshot: true, put }));
  await server.store.removeNode('n3', T0);
  const rejected = await server.store.outbox(0, 1);
  await server.store.deadLetters.add({ sink: 'ndjson', events: rejected, reason: 'too large', atMs: T0 });
  await putVulnerableImage(server.store);
  await server.fetch('/v1/rollouts/report', posted({ plan: [PLANNED], steps: [] }));
  const whole = await document(server.fetch);
  /** A request for each route; `path` has its parameters filled in. */
  const requests: Readonly<Record<string, { readonly path: string; readonly init?: RequestInit }>> = {
    getHealth: { path: '/healthz' },
    getLiveness: { path: '/livez' },
    getReadiness: { path: '/readyz' },
    getSummary: { path: '/v1/summary' },
    listNodes: { path: '/v1/nodes' },
    getNode: { path: '/v1/nodes/n1' },
    getNodeStatus: { path: '/v1/nodes/n1/status' },
    removeNode: {
      path: '/v1/nodes/n2',
      init: { method: 'DELETE', headers: { authorization: `Bearer ${TOKEN}` } },
    },
    listFindings: { path: '/v1/findings?limit=1&total=true' },
    listFindingGroups: { path: '/v1/findings/groups?by=container' },
    listImages: { path: '/v1/images' },
    getImage: { path: `/v1/images/${IMAGE_ID}` },
    listVulnerabilities: { path: '/v1/vulnerabilities' },
    getVulnerability: { path: '/v1/vulnerabilities/CVE-2026-1001' },
    listFixes: { path: '/v1/fixes' },
    listPolicies: { path: '/v1/policies' },
    listExemptions: { path: '/v1/policies/exemptions' },
    simulatePolicies: { path: '/v1/policies/simulation' },
    listImageScans: { path: '/v1/policies/scans' },
    scanImage: { path: '/v1/policies/scans', init: posted({ image: 'localhost:1/app:1' }) },
    announceImage: {
      path: '/v1/images/announcements',
      init: posted({ image: `localhost:1/app:1@sha256:${'a'.repeat(64)}` }),
    },
    listRollouts: { path: '/v1/rollouts' },
    getRolloutState: { path: '/v1/rollouts/state' },
    reportRollouts: { path: '/v1/rollouts/report', init: posted({ plan: [PLANNED], steps: [] }) },
    decideRollout: { path: '/v1/rollouts/r1/decision', init: posted({ decision: 'approved' }) },
    pauseRollouts: { path: '/v1/rollouts/pause', init: posted({ isPaused: true }) },
    listExposure: { path: '/v1/rollouts/exposure' },
    findSuccessors: {
      path: '/v1/rollouts/successors',
      init: posted({
        image: 'localhost:1/app:1',
        namespace: 'shop',
        digests: [],
        rules: [{ type: 'announced', order: 'semver' }],
      }),
    },
    getSnapshotKey: { path: '/v1/policies/snapshot-key' },
    listHistory: { path: '/v1/history?limit=1' },
    listChecks: { path: '/v1/checks' },
    getCheck: { path: '/v1/checks/container.privileged' },
    listBenchmarks: { path: '/v1/benchmarks' },
    getBenchmark: { path: '/v1/benchmarks/cis-docker-1.8.0' },
    getBenchmarkResults: { path: '/v1/benchmarks/cis-docker-1.8.0/results' },
    listBenchmarkNodes: { path: '/v1/benchmarks/cis-docker-1.8.0/nodes' },
    getBenchmarkTrend: { path: '/v1/benchmarks/cis-docker-1.8.0/trend' },
    listDenials: { path: '/v1/denials' },
    listDetections: { path: '/v1/detections' },
    listWaivers: { path: '/v1/waivers' },
    reportDenials: {
      path: '/v1/denials',
      init: posted({ reporter: { program: 'admission', name: 'a', instance: 'i' }, pending: 0, dropped: 0 }),
    },
    listDeadLetters: { path: '/v1/dead-letters' },
    getDeadLetter: { path: '/v1/dead-letters/1' },
    replayDeadLetters: { path: '/v1/dead-letters/replay', init: posted({ sink: 'ndjson' }) },
    purgeDeadLetters: { path: '/v1/dead-letters/purge', init: posted({ ids: [7] }) },
    testSink: { path: '/v1/sinks/ndjson/test', init: posted({}) },
    listSinks: { path: '/v1/sinks' },
    getStatus: { path: '/v1/status' },
    listFacts: { path: '/v1/facts' },
    getTrend: { path: `/v1/trend?fromMs=${String(T0 - 3_600_000)}&toMs=${String(T0 + 3_600_000)}&points=8` },
    listJoinTokens: { path: '/v1/join-tokens' },
    createJoinToken: { path: '/v1/join-tokens', init: posted({}) },
    deleteJoinToken: {
      path: `/v1/join-tokens/${token.id}`,
      init: { method: 'DELETE', headers: { authorization: `Bearer ${TOKEN}` } },
    },
    listAudit: { path: '/v1/audit?limit=5' },
    getIdentity: { path: '/v1/identity' },
    listOperatorTokens: { path: '/v1/tokens' },
    createOperatorToken: { path: '/v1/tokens', init: posted({ role: 'viewer', scopes: ['read'] }) },
    revokeOperatorToken: {
      path: `/v1/tokens/${operatorToken.split('.')[1] ?? ''}`,
      init: { method: 'DELETE', headers: { authorization: `Bearer ${TOKEN}` } },
    },
    revokeNode: { path: '/v1/nodes/n1/revoke', init: posted({}) },
    getAuthority: { path: '/v1/authority' },
    rotateAuthority: { path: '/v1/authority/rotate', init: posted({}) },
    readmitNode: { path: '/v1/nodes/n1/readmit', init: posted({}) },
    createConsoleLink: { path: '/v1/console/links', init: posted({}) },
    openConsoleSession: { path: '/v1/console/sessions', init: posted({ token: TOKEN }) },
    askNodes: {
      path: '/v1/query',
      init: {
        method: 'POST',
        body: '{"expression":"1"}',
        headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      },
    },
  };
  for (const route of ROUTES) {
    if (route.kind !== 'json') continue;
    const request = requests[route.operation];
    if (request === undefined) throw new Error(`this test has no request for ${route.operation}`);
    const operation = whole.paths[route.path]?.[route.method.toLowerCase()];
    const schema = operation?.responses['200']?.content['application/json']?.schema;
    const response = await server.fetch(request.path, request.init);
    t.equal(response.status, 200, route.operation);
    t.strictSame(violations(schema, await response.json(), whole), [], `${route.operation}: answer`);
    const failing = await server.fetch(`${request.path.split('?')[0] ?? ''}?no-such-parameter=1`, request.init);
    const error = operation?.responses[String(failing.status)]?.content['application/json']?.schema;
    if (error !== undefined)
      t.strictSame(violations(error, await failing.json(), whole), [], `${route.operation}: error`);
  }
});

/** The image of a container of `n1` has a package with a vulnerability, of which everything is known. */
async function putVulnerableImage({ images }: Store): Promise<void> {
  const found = { type: 'deb', name: 'openssl', version: '3.0.1', path: '/var/lib/dpkg/status' } as const;
  const inventory = { distribution: { id: 'debian', versionId: '12', like: [] }, packages: [found], gaps: [] };
  const { digest, bytes } = await encodeInventory(inventory);
  const claim = { imageId: IMAGE_ID, digest, source: 'layers', problem: '' } as const;
  await images.putClaims('n1', [claim], { isWhole: true, atMs: T0 });
  await images.putInventory(digest, inventory, bytes, T0);
  const vulnerability = {
    id: 'CVE-2026-1001',
    advisory: 'DEBIAN-CVE-2026-1001',
    aliases: [],
    severity: 'critical',
    cvss: { version: '3.1', vector: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H', score: 9.8 },
    summary: 's',
    publishedAt: T0,
    modifiedAt: T0,
    kev: { addedAt: T0, dueAt: T0, ransomware: true },
    epss: { score: 0.5, percentile: 0.9 },
    risk: 90,
  } as const;
  const judgements = (await images.unjudged('d1', 10)).map(({ key }) => ({
    key,
    matches: [{ vulnerability, status: 'fixed', fixedVersion: '3.0.2' } as const],
  }));
  const describeUse = () => ({ images: [], imageCount: 0, containers: [], containerCount: 0, nodeCount: 0 });
  await images.putJudgements('d1', judgements, { atMs: T0, describeUse });
  await images.recount(10);
}

/** The policies of a collector without images. */
async function policyService(t: Test): Promise<PolicyService> {
  const directory = t.testdir({ 'policy.yaml': JSON.stringify(policyText([])) });
  const store = await openSqliteStore({ path: join(directory, 'store.sqlite') });
  const stop = new AbortController();
  const service = await startPolicyService({
    settings: {
      policies: join(directory, 'policy.yaml'),
      dataDir: directory,
      vulndb: join(directory, 'vulndb.sqlite'),
      vulndbMaxAge: 1000,
      registries: ['localhost:1'],
      registryCredentials: 'none',
      registryCa: 'system',
      registryCheckInterval: 1000,
    },
    images: store.images,
    running: await followRunningImages(store, createEventBus()),
    database: () => ({ state: 'missing', problem: '' }),
    annotations: () => NO_ANNOTATIONS,
    inventoryWorker: new URL('../../../image/inventory/worker.ts', import.meta.url),
    clock: systemClock(),
    log: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined },
    signal: stop.signal,
  });
  t.teardown(async () => {
    stop.abort();
    await service.over;
    await store.close();
  });
  return service;
}
