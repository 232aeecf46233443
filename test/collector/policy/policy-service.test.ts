import { createPublicKey } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { imageDetail } from '../../../api/image.ts';
import { policyList, simulation, snapshotKey } from '../../../api/policy.ts';
import { followRunningImages } from '../../../collector/image/running-images.ts';
import { startPolicyService } from '../../../collector/policy/policy-service.ts';
import { createEventBus } from '../../../collector/store/event-bus.ts';
import { openSqliteStore } from '../../../collector/store/sqlite.ts';
import { decideFromSnapshot } from '../../../policy/decide-from-snapshot.ts';
import { parseSnapshot } from '../../../policy/snapshot.ts';
import { encodeInventory } from '../../../proto/inventory-codec.ts';
import type { Inventory } from '../../../vulnerability/package.ts';
import { openSnapshot } from '../../../image/policy/snapshot-file.ts';
import { systemClock } from '../../../service/clock.ts';
import { plimsoll } from '../../cli/process.ts';
import { NO_ANNOTATIONS } from '../../fixture/image-evidence.ts';
import { startServer, TOKEN } from '../api/server.ts';
import {
  advisory,
  DAY_MS,
  inventory,
  NO_REGISTRY,
  quiet,
  REFUSED,
  ROOT,
  SHOP,
  startFleet,
  TWO,
  until,
  WEB,
} from './policy-fleet.ts';

await t.test('images of the fleet are judged again whenever what is known changes', async (t) => {
  const { directory, policyFile, service, add, decides, rebuild } = await startFleet(t);
  await add('n1', { [SHOP]: inventory(['openssl', '3.0.1']), [WEB]: inventory(['zlib', '1.2']) });
  await add('n1', { [ROOT]: inventory(['zlib', '1.2']) }, 'container');
  await decides(ROOT, ['couldNotTell', 'inventory-incomplete'], 'a container can change what it shows');
  await decides(SHOP, ['deny', 'vulnerability']);
  await decides(WEB, ['allow']);
  await decides(TWO, ['couldNotTell', 'inventory-incomplete', 'vulnerability-unknown'], 'no node has listed it yet');
  await decides(`sha256:${'e'.repeat(64)}`, ['couldNotTell', 'not-scanned']);
  t.equal(statSync(join(directory, 'policy-snapshot-key.pem')).mode & 0o777, 0o600);

  await add('n2', { [SHOP]: inventory(['zlib', '1.2']) });
  await decides(
    SHOP,
    ['couldNotTell', 'inventory-incomplete', 'vulnerability-unknown'],
    'nodes contradict each other: a stolen certificate makes no vulnerable image pass',
  );

  const before = service.snapshot()?.version ?? 0;
  await rebuild([advisory('CVE-2026-1001', 'openssl', '3.0.2'), advisory('CVE-2026-1002', 'zlib', '1.3')]);
  await decides(WEB, ['deny', 'vulnerability'], 'a new advisory, without a scan');
  const version = service.snapshot()?.version ?? 0;
  t.ok(version > before);

  writeFileSync(policyFile, REFUSED.replace('type: vulnerability', 'type: vulnerabilities'));
  service.notify();
  await until(t, () => service.issues().length > 0);
  t.match(service.issues(), [{ code: 'imagePolicies', text: /spec\.rules\[0\]\.type: expected one of/ }]);
  t.equal(service.policies().length, 1, 'the policies that were loaded before stay in use');
  await decides(WEB, ['deny', 'vulnerability']);
  t.equal(service.snapshot()?.version, version);

  writeFileSync(`${policyFile}.new`, REFUSED.replace('spec:', 'spec:\n  mode: warn'));
  renameSync(`${policyFile}.new`, policyFile);
  await decides(WEB, ['allow']);
  t.strictSame(service.issues(), []);
});

await t.test('the inventory that the collector has read itself decides alone', async (t) => {
  const { store, service, add, decides } = await startFleet(
    t,
    REFUSED.replace('spec:', 'spec:\n  unscannedImages: scan'),
  );
  const MANIFEST = `sha256:${'e'.repeat(64)}`;
  const scan = async (id: string, content: Inventory, manifest = MANIFEST): Promise<void> => {
    const { digest, bytes } = await encodeInventory(content);
    await store.images.putScan({ id, manifest, inventory: digest, atMs: Date.now() }, bytes);
  };
  const wantsScan = (digest: string): boolean | undefined => {
    const parsed = parseSnapshot(JSON.parse(Buffer.from(service.snapshot()?.content ?? []).toString()));
    const subject = { reference: 'registry.example.com/any:1', digest, namespace: undefined };
    return parsed.ok ? decideFromSnapshot(subject, parsed.value, Date.now()).wantsScan : undefined;
  };
  const [clean, vulnerable] = [inventory(['zlib', '1.2']), inventory(['openssl', '3.0.1'])];
  await add('n1', { [ROOT]: clean, [SHOP]: clean }, 'container');
  await decides(ROOT, ['couldNotTell', 'inventory-incomplete'], 'read through a container');
  t.equal(wantsScan(ROOT), true);
  await scan(ROOT, clean);
  await decides(ROOT, ['allow'], 'the container first, then the scan');
  t.equal(wantsScan(ROOT), false);
  await scan(WEB, clean, `sha256:${'f'.repeat(64)}`);
  await add('n1', { [WEB]: clean }, 'container');
  await decides(WEB, ['allow'], 'the scan first, then the container');

  // A node in the hands of somebody else, by every source and name of the image.
  await add('n2', { [ROOT]: vulnerable, [MANIFEST]: vulnerable });
  await decides(ROOT, ['allow'], 'a node cannot have a scanned image refused');
  await scan(SHOP, vulnerable, `sha256:${'1'.repeat(64)}`);
  await decides(SHOP, ['deny', 'vulnerability']);
  for (const source of ['layers', 'container'] as const)
    await add('n2', { [SHOP]: clean, [`sha256:${'1'.repeat(64)}`]: clean }, source);
  await add('n1', { [SHOP]: clean });
  // A change that is not refused shows that the nodes were heard.
  await add('n2', { [TWO]: clean });
  await decides(TWO, ['allow']);
  await decides(SHOP, ['deny', 'vulnerability'], 'no node removes a package from the inventory that decides');
  await decides(`sha256:${'1'.repeat(64)}`, ['deny', 'vulnerability'], 'under no other name either');
  await decides(ROOT, ['allow']);
  const claims = await store.images.claims(ROOT);
  t.same(new Set(claims.map(({ source }) => source)), new Set(['layers', 'container']), 'findings still use them');
});

await t.test('API', async (t) => {
  const { service, store, running, review, directory, add, decides } = await startFleet(t);
  await add('n1', { [SHOP]: inventory(['openssl', '3.0.1']), [WEB]: inventory(['zlib', '1.2']) });
  await decides(WEB, ['allow']);
  await decides(SHOP, ['deny', 'vulnerability']);
  const server = await startServer(t, {
    policies: service,
    store: () => store,
    running,
    waivers: () => review.current()?.waivers ?? [],
    exemptNamespaces: () => ({
      allowed: ['kube-system'],
      found: { state: 'read', namespaces: [{ name: 'lab', because: 'label team=x' }] },
    }),
  });
  const token = await server.createToken('viewer', ['policy']);
  const get = (path: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
    fetch(`${server.url}${path}`, { headers: { authorization: `Bearer ${token}`, ...headers } });

  const key = snapshotKey.parse(await (await get('/v1/policies/snapshot-key')).json());
  t.match(key, { ok: true, value: { id: /^[0-9a-f]{32}$/ } });
  if (!key.ok) return;
  for (const encoding of ['gzip', 'identity']) {
    const answer = await get('/v1/policies/snapshot', { 'accept-encoding': encoding });
    t.equal(answer.status, 200);
    const content = Buffer.from(await answer.arrayBuffer());
    const signature = answer.headers.get('plimsoll-signature') ?? '';
    const trust = { keys: [createPublicKey(key.value.publicKey)], minVersion: 1 };
    t.match(
      await openSnapshot({ content, signature }, trust),
      { ok: true, snapshot: { collector: key.value.id } },
      encoding,
    );
    const etag = answer.headers.get('etag') ?? '';
    t.equal((await get('/v1/policies/snapshot', { 'if-none-match': etag })).status, 304);
  }
  t.equal((await get('/v1/images')).status, 403, 'the token is for nothing else');
  t.equal((await get('/v1/policies/simulation')).status, 403);

  const simulated = simulation.parse(await (await server.fetch('/v1/policies/simulation')).json());
  t.match(simulated, {
    ok: true,
    value: {
      total: 4,
      policies: [{ policy: 'all', mode: 'enforce', images: 4, containers: { deny: 2, allow: 1, couldNotTell: 2 } }],
      images: [
        { name: 'shop:1', id: SHOP, containers: 2, outcome: 'deny', reasons: [{ code: 'vulnerability' }] },
        { outcome: 'couldNotTell' },
        { outcome: 'couldNotTell' },
        { name: 'web:1', outcome: 'allow', enforced: 'allow' },
      ],
    },
  });
  const shown = imageDetail.parse(await (await server.fetch(`/v1/images/${SHOP}`)).json());
  t.match(shown, {
    ok: true,
    value: {
      verdicts: [
        { digests: [SHOP], policies: [{ policy: 'all', outcome: 'deny', reasons: [{ code: 'vulnerability' }] }] },
      ],
    },
  });

  const tokenFile = join(t.testdir(), 'token');
  writeFileSync(tokenFile, TOKEN, { mode: 0o600 });
  const flags = ['--api', new URL(server.url).host, '--token-file', tokenFile];
  const [table, show, explained] = await Promise.all([
    plimsoll(['policy', 'simulate', ...flags]),
    plimsoll(['images', 'show', SHOP, ...flags]),
    plimsoll(['policy', 'explain', `registry.example.com/shop@${SHOP}`, ...flags]),
  ]);
  t.match(table, { code: 0, stdout: /shop:1 +deny +deny +2 +all +vulnerability\n/ });
  t.match(table.stdout, /all \(enforce\): 4 images; if enforced, containers allowed 1, denied 2, could not tell 2\n/);
  t.match(show, { code: 0, stdout: /\nall +every repository +deny +vulnerability\n/ });
  t.match(explained, { code: 1, stdout: /^registry\.example\.com\/shop@\S+: denied\n/ }, explained.stderr);
  t.match(explained.stdout, /Decided by snapshot \d+ of the\s+collector, issued/);

  // A second policy that conflicts, and a waiver that has expired.
  writeFileSync(join(directory, 'policies', 'rival.yaml'), REFUSED.replace('name: all', 'name: rival'));
  writeFileSync(
    join(directory, 'waivers', 'late.yaml'),
    '[{ ids: [CVE-2026-1009], reason: late, owner: sec, expires: 2021-01-31 }]',
  );
  await review.refresh();
  service.notify();
  await until(t, () => service.problems().length > 0);
  const [policies, exemptions, json] = await Promise.all([
    plimsoll(['policy', 'list', ...flags]),
    plimsoll(['policy', 'exemptions', ...flags]),
    plimsoll(['policy', 'list', '-o', 'json', ...flags]),
  ]);
  t.match(policies, { code: 1, stdout: /ImagePolicy +all +enforce/ }, policies.stderr);
  t.match(json.stdout, /no vulnerability with an id of CVE-2026-1001, CVE-2026-1002/);
  t.match(policies.stderr, /rival\.yaml: rival conflicts with all of all\.yaml: .*; the policies above stay in use/);
  t.notOk(json.stdout.includes(directory), 'no path of the machine of the collector');
  t.equal(policyList.parse(JSON.parse(json.stdout)).ok, true);
  t.match(exemptions, { code: 0, stdout: /waiver +CVE-2026-1009 +expired +late \(sec\)/ }, exemptions.stderr);
  t.match(exemptions.stdout, /namespace +lab +never +label team=x +its labels/);
  t.match(exemptions.stdout, /namespace +kube-system +never +kubernetes-admission-exempt/);
});

const NODES_POLICY = `${REFUSED}---
apiVersion: plimsoll.dev/v1
kind: PodPolicy
metadata: { name: nodes }
spec: { nodes: { severity: critical } }
`;

await t.test('the posture of nodes is in the snapshot while a pod policy has a condition on it', async (t) => {
  let failures = 0;
  const read = () => {
    const node = {
      name: 'web-1',
      labels: { pool: 'web' },
      seenAt: 5,
      failed: [failures, 0, 0, 0],
      unknown: [0, 0, 0, 0],
    };
    return Promise.resolve({ listedAt: Date.now(), isComplete: true, nodes: [node] });
  };
  const { service, policyFile } = await startFleet(t, NODES_POLICY, { read });
  const published = (): string => Buffer.from(service.snapshot()?.content ?? []).toString();
  service.notify();
  await until(t, () => published().includes('"nodes":{"listedAt"'));
  const { version } = service.snapshot() ?? { version: 0 };
  service.notify();
  await new Promise((resolve) => setTimeout(resolve, 1500));
  t.equal(service.snapshot()?.version, version, 'times alone publish nothing within a minute');
  failures = 1;
  service.notify();
  await until(t, () => published().includes('"failed":[1,0,0,0]'));
  writeFileSync(`${policyFile}.new`, REFUSED);
  renameSync(`${policyFile}.new`, policyFile);
  await until(t, () => {
    service.notify();
    return !published().includes('web-1');
  });
});

await t.test('a collector without policies, and one whose policies were never valid', async (t) => {
  const bare = await startServer(t);
  const answer = await bare.fetch('/v1/policies/snapshot');
  t.equal(answer.status, 404);
  t.match(await answer.json(), { error: { hint: /--policies/ } });
  const { directory, service } = await startFleet(t);
  const stop = new AbortController();
  const broken = join(directory, 'broken.yaml');
  writeFileSync(broken, 'kind: Nothing');
  mkdirSync(join(directory, 'other'));
  const settings = {
    policies: broken,
    dataDir: join(directory, 'other'),
    vulndb: '',
    vulndbMaxAge: DAY_MS,
    ...NO_REGISTRY,
  };
  const store = await openSqliteStore({ path: join(directory, 'other.sqlite') });
  const never = await startPolicyService({
    settings,
    images: store.images,
    running: await followRunningImages(store, createEventBus()),
    database: () => ({ state: 'missing', problem: '' }),
    annotations: () => NO_ANNOTATIONS,
    inventoryWorker: new URL('../../../image/inventory/worker.ts', import.meta.url),
    clock: systemClock(),
    log: quiet,
    signal: stop.signal,
  });
  await until(t, () => never.issues().length > 0);
  t.equal(never.snapshot(), undefined);
  const server = await startServer(t, { policies: never });
  t.equal((await server.fetch('/v1/policies/snapshot')).status, 503);
  t.not(never.keyId, service.keyId);
  stop.abort();
  await never.over;
  await store.close();
  t.match(readFileSync(join(directory, 'other', 'policy-snapshot', 'key.pub'), 'utf8'), /BEGIN PUBLIC KEY/);
});
