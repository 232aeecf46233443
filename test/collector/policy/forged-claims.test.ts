import t from 'tap';
import type { Test } from 'tap';
import { keepImageFindings } from '../../../collector/policy/image-findings.ts';
import { createPolicyJudgement } from '../../../collector/policy/policy-findings.ts';
import { startSessionServer } from '../../../collector/session/server.ts';
import { encodeInventory } from '../../../proto/inventory-codec.ts';
import { systemClock } from '../../../service/clock.ts';
import type { Inventory, Package } from '../../../vulnerability/package.ts';
import { hello } from '../session/messages.ts';
import { dial, newFleet } from '../session/node.ts';
import { quiet, SHOP, startFleet, until } from './policy-fleet.ts';

/*
 * Two nodes over real sessions: node-b is honest and shows its container, node-a has a stolen certificate and forges what
 * the layers of the image hold.
 */

const POLICY = JSON.stringify({
  apiVersion: 'plimsoll.dev/v1',
  kind: 'ImagePolicy',
  metadata: { name: 'p' },
  spec: { rules: [{ type: 'package', forbid: [{ name: 'evil*' }] }] },
});
const [LAYERS, CONTAINER] = [1, 2];
const DEBIAN = { id: 'debian', versionId: '12', codename: 'bookworm', like: [] };

const npm = (name: string, version: string): Package => {
  return { type: 'npm', name, version, path: `/app/node_modules/${name}/package.json` };
};
const bash: Package = { type: 'deb', name: 'bash', version: '5.2', path: '/var/lib/dpkg/status' };
const inventoryOf = (packages: readonly Package[], over: Partial<Inventory> = {}): Inventory => {
  return { distribution: DEBIAN, packages, gaps: [], ...over };
};
const TRUTH = inventoryOf([bash, npm('evil-lib', '1.0.0')]);

async function startNodes(t: Test) {
  const fleet = await startFleet(t, POLICY);
  const certificates = await newFleet();
  const { authority, server } = certificates;
  const sessions = await startSessionServer({
    listen: { host: '127.0.0.1', port: 0 },
    tls: { ca: authority.certificatePem, cert: server.certificatePem, key: server.keyPem },
    store: fleet.store,
    eventBus: fleet.eventBus,
    replies: { onResult: () => false, onDisconnect: () => undefined },
    onNodeAhead: () => Promise.resolve(),
    isRevoked: () => false,
    onImagesChange: fleet.service.notify,
    settings: { nodeWriteMs: 1 },
    clock: systemClock(),
    log: quiet,
  });
  t.teardown(() => sessions.close());
  const stop = new AbortController();
  const kept = keepImageFindings({
    judgements: [createPolicyJudgement(fleet.service.findingSources)],
    nodesOf: (imageId) => fleet.running.containersOf(imageId).map(({ nodeId }) => nodeId),
    store: fleet.store,
    eventBus: fleet.eventBus,
    clock: { ...systemClock(), after: (_ms, call) => systemClock().after(50, call) },
    log: quiet,
    signal: stop.signal,
  });
  t.teardown(() => {
    stop.abort();
    return kept;
  });
  /** Opens a session, and claims the image with this inventory once it was requested. */
  const claim = async (nodeId: string, inventory: Inventory, source: number): Promise<void> => {
    const identity = await certificates.node(nodeId);
    const node = dial({ address: sessions.address, ca: authority.certificatePem, identity });
    t.teardown(() => node.close());
    node.say(hello({ nodeName: nodeId, instance: nodeId }));
    await node.hearA('welcome');
    const containers = [{ id: `c-${nodeId}`, name: 'db', image: 'docker.io/shop/db:1', imageId: SHOP }];
    node.say({ inventory: { containers } });
    const { digest, bytes } = await encodeInventory(inventory);
    const wire = Buffer.from(digest, 'hex');
    node.say({ imagesInUse: { images: [{ imageId: SHOP, source, inventory: wire }] } });
    const stored = async (): Promise<boolean> =>
      (await fleet.store.images.claims(SHOP)).some((one) => one.nodeId === nodeId && one.isStored);
    if (!(await stored())) {
      await Promise.race([node.hearA('inventoryRequest'), new Promise((resolve) => setTimeout(resolve, 2000))]);
      node.say({ imageInventory: { digest: wire, part: 0, last: true, chunk: bytes } });
    }
    for (let left = 200; left > 0 && !(await stored()); left -= 1)
      await new Promise((resolve) => setTimeout(resolve, 25));
    t.ok(await stored(), `${nodeId} has claimed`);
  };
  const findingOf = async (nodeId: string) =>
    (await fleet.store.findings({ nodes: [nodeId], checks: ['image.packages'], limit: 10 })).findings.find(
      ({ subject }) => subject.id === SHOP,
    );
  const becomes = async (nodeId: string, verdict: string): Promise<void> => {
    let now = '';
    for (let left = 200; left > 0 && now !== verdict; left -= 1) {
      now = (await findingOf(nodeId))?.verdict ?? '';
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    t.equal(now, verdict, `${nodeId} ${verdict}`);
  };
  return { ...fleet, claim, becomes, findingOf };
}

await t.test('a forged listing of layers closes no finding of another node and allows no image', async (t) => {
  const { claim, becomes, findingOf, decides, service, store } = await startNodes(t);
  await claim('node-b', TRUTH, CONTAINER);
  await becomes('node-b', 'fail');
  await decides(SHOP, ['deny', 'package-forbidden', 'inventory-incomplete']);
  const before = await findingOf('node-b');
  await claim('node-a', inventoryOf([bash]), LAYERS);
  await decides(SHOP, ['couldNotTell', 'package-unknown'], 'nodes contradict each other');
  const reason = service.verdictsOf(SHOP)[0]?.verdicts[0]?.reasons[0]?.actual ?? '';
  t.match(reason, /^evil-lib 1\.0\.0 at .*: found by node-b, from containers, but not by node-a, from the layers$/);
  t.equal(service.verdictsOf(SHOP)[0]?.unscanned, true, 'a scan could settle it');
  t.same(await findingOf('node-b'), before, 'the finding of the honest node is as it was');
  t.not((await findingOf('node-a'))?.verdict, 'pass');
  t.same((await store.images.claims(SHOP)).length, 2);
  // With an honest listing of the layers the image is refused again.
  await claim('node-c', TRUTH, LAYERS);
  await decides(SHOP, ['couldNotTell', 'package-unknown', 'inventory-incomplete']);
  const texts =
    service
      .verdictsOf(SHOP)[0]
      ?.verdicts[0]?.reasons.map(({ actual }) => actual)
      .join('\n') ?? '';
  t.match(texts, /nodes found different packages in its layers: 1 by node-a; 2 by node-b, node-c/);
  t.equal((await findingOf('node-b'))?.verdict, 'fail');
});

const FORGED: Readonly<Record<string, readonly [Inventory, number]>> = {
  'other versions': [inventoryOf([bash, npm('evil-lib', '2.0.0')]), LAYERS],
  'another distribution': [inventoryOf([bash], { distribution: { id: 'alpine', versionId: '3', like: [] } }), LAYERS],
  'a container without it': [inventoryOf([bash]), CONTAINER],
  'no packages at all': [inventoryOf([]), LAYERS],
};
for (const [name, [forged, source]] of Object.entries(FORGED))
  await t.test(`the liar comes first: ${name}`, async (t) => {
    const { claim, becomes, decides, service } = await startNodes(t);
    await claim('node-a', forged, source);
    await until(t, () => service.verdictsOf(SHOP).length > 0);
    await claim('node-b', TRUTH, CONTAINER);
    // Where nothing contradicts the honest node, what it shows fails.
    await becomes('node-b', forged.packages.length > 1 || source === CONTAINER ? 'fail' : 'unknown');
    if (source === CONTAINER) await decides(SHOP, ['deny', 'package-forbidden', 'inventory-incomplete']);
    else t.not(service.verdictsOf(SHOP)[0]?.verdicts[0]?.reasons.length, 0);
  });
