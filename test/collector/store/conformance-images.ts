import type { Test } from 'tap';
import type { Package } from '../../../vulnerability/package.ts';
import type { ImageClaim } from '../../../collector/store/image-store.ts';
import type { Store } from '../../../collector/store/store.ts';
import { isVulnerabilityEvent } from '../../../collector/store/stored-event.ts';
import { commit, commitEvents, finding, nodeRow, T0 } from './fleet.ts';
import { content, deb, DEBIAN, digestOf, inventory, judge, layers, vulnerability, whole } from './image-rows.ts';

const NONE_AT_REST = { wanted: [], packages: 0, bytes: 0 };

/** Images at rest are told from those that run, whichever way they change. */
export async function imagesAtRest(t: Test, { images }: Store): Promise<void> {
  const claims = [layers('sha256:a', '1'), { ...layers('sha256:b', '2'), atRest: ['shop/db:16'] }];
  t.match(await images.putClaims('n1', claims, whole), {
    wanted: [digestOf('1')],
    packages: 0,
    atRest: { wanted: [digestOf('2')], packages: 0 },
  });
  await images.putInventory(digestOf('1'), inventory(deb('bash')), content(''), T0);
  await images.putInventory(digestOf('2'), inventory(deb('bash'), deb('zlib')), content(''), T0);
  const both = [...claims, { ...layers('sha256:c', '1'), atRest: [] }];
  t.match(
    await images.putClaims('n1', both, whole),
    { wanted: [], packages: 1, atRest: { wanted: [], packages: 2 } },
    'the inventory of an image that runs counts once',
  );
  const restOf = async (imageId: string) => (await images.claims(imageId)).map(({ atRest, inUse }) => [atRest, inUse]);
  t.same(await restOf('sha256:a'), [[undefined, true]]);
  t.same(await restOf('sha256:b'), [[['shop/db:16'], true]]);
  t.same(await restOf('sha256:c'), [[[], true]]);
  // A container was started; its node is reading the image again.
  await images.putClaims('n1', [{ ...layers('sha256:b') }], { isWhole: false, atMs: T0 });
  t.match(await images.claims('sha256:b'), [{ atRest: undefined, isStored: true }]);
  await images.putClaims('n1', [layers('sha256:a', '1')], whole);
  t.same(await restOf('sha256:c'), [[[], false]], 'deleted');
  const many = Array.from({ length: 2500 }, (_, at) => ({ ...layers(`sha256:rest-${String(at)}`), atRest: [] }));
  await images.putClaims('n1', [layers('sha256:a', '1'), ...many], { isWhole: true, atMs: T0 + 1 });
  const kept = await images.claims();
  t.equal(kept.length, 2048);
  t.ok(
    kept.some(({ imageId }) => imageId === 'sha256:a'),
    'images at rest take no place of one that runs',
  );
}

/** What a node says changes nothing of what the collector has read itself. */
export async function imageScans(t: Test, { images }: Store): Promise<void> {
  const scan = { id: 'sha256:a', manifest: 'sha256:m', inventory: digestOf('1'), atMs: T0 };
  await images.putScan(scan, content('one'));
  await images.putScan({ ...scan, atMs: T0 + 1 }, content('again'));
  await images.putClaims('n1', [{ ...layers('sha256:a', '2'), source: 'container' }, layers('sha256:m', '3')], whole);
  await images.putInventory(digestOf('2'), inventory(), content('less'), T0);
  t.same(await images.scans(), [{ ...scan, atMs: T0 + 1 }]);
  const stored = await images.scanContent('sha256:a');
  t.same([stored?.digest, Buffer.from(stored?.bytes ?? []).toString()], [digestOf('1'), 'again']);
  t.equal(await images.scanContent('sha256:b'), undefined);
}

export async function imageClaims(t: Test, { images }: Store): Promise<void> {
  t.match(await images.putClaims('n1', [layers('sha256:a', '1'), layers('sha256:b')], whole), {
    wanted: [digestOf('1')],
    packages: 0,
    atRest: NONE_AT_REST,
  });
  await images.putInventory(digestOf('1'), inventory(deb('bash'), deb('zlib')), content('one'), T0);
  t.match(await images.putClaims('n1', [layers('sha256:a', '1'), layers('sha256:b')], whole), {
    wanted: [],
    packages: 2,
    atRest: NONE_AT_REST,
  });
  t.same((await images.putClaims('n2', [layers('sha256:a', '1')], whole)).wanted, [], 'stored once for all nodes');
  t.equal(Buffer.from((await images.inventoryContent(digestOf('1'))) ?? []).toString(), 'one');
  const claims = (await images.claims('sha256:a')).toSorted((one, two) => (one.nodeId < two.nodeId ? -1 : 1));
  t.match(claims, [
    { nodeId: 'n1', digest: digestOf('1'), isStored: true, inUse: true, source: 'layers' },
    { nodeId: 'n2', digest: digestOf('1'), isStored: true, inUse: true },
  ]);
  t.equal(claims.length, 2);

  await images.putClaims('n1', [layers('sha256:b')], { isWhole: false, atMs: T0 + 1 });
  t.equal((await images.claims('sha256:a')).filter(({ inUse }) => inUse).length, 2, 'a part says nothing of the rest');
  await images.putClaims('n1', [layers('sha256:b')], { isWhole: true, atMs: T0 + 2 });
  t.match(
    (await images.claims('sha256:a')).find(({ nodeId }) => nodeId === 'n1'),
    { inUse: false, digest: digestOf('1') },
  );
  await images.putClaims('n1', [layers('sha256:a')], { isWhole: false, atMs: T0 + 3 });
  t.match(
    (await images.claims('sha256:a')).find(({ nodeId }) => nodeId === 'n1'),
    { inUse: true },
    'in use again',
  );
}

export async function imageInventories(t: Test, { images }: Store): Promise<void> {
  await images.putInventory(digestOf('9'), inventory(deb('bash')), content(''), T0);
  t.equal((await images.inventories()).size, 0, 'an inventory that no node names is not stored');
  const many = Array.from({ length: 1200 }, (_, index) => deb(`p${String(index)}`));
  await images.putClaims('n1', [layers('sha256:a', '1'), layers('sha256:b', '2')], whole);
  await Promise.all([
    images.putInventory(digestOf('1'), inventory(...many), content(''), T0),
    images.putInventory(digestOf('1'), inventory(...many), content(''), T0),
    images.putInventory(digestOf('2'), inventory(...many.slice(600)), content(''), T0),
  ]);
  t.equal((await images.packagesOf(digestOf('1'))).length, 1200);
  t.equal((await images.packagesOf(digestOf('2'))).length, 600);
  t.equal((await images.unjudged('db', 10_000)).length, 1200, 'each package version once');
  t.match((await images.inventories()).get(digestOf('1')), { packages: 1200, waiting: 1200, distribution: DEBIAN });
  t.match((await images.unjudged('db', 1))[0], { distribution: DEBIAN, package: { type: 'deb', version: '1' } });
  const npm: Package = { type: 'npm', name: 'a', version: '1', path: '/x' };
  await images.putClaims('n1', [layers('sha256:c', '3')], { isWhole: false, atMs: T0 });
  await images.putInventory(digestOf('3'), { distribution: DEBIAN, packages: [npm], gaps: [] }, content(''), T0);
  const [key = -1] = await images.packagesOf(digestOf('3'));
  t.same(
    await images.packages([key]),
    [{ key, evidence: '', package: { ...npm, path: '' } }],
    'no distribution for languages',
  );
}

/** What deletes an inventory while it is written must not make another one of it. */
export async function inventoryGoneWhileWritten(t: Test, { images }: Store): Promise<void> {
  const many = Array.from({ length: 10_000 }, (_, index) => deb(`p${String(index)}`));
  const deleteWhileWritten = async (): Promise<() => Promise<void>> => {
    await images.putClaims('n1', [layers('sha256:a', '1')], whole);
    const written = images.putInventory(digestOf('1'), inventory(...many), content('one'), T0);
    await new Promise(setImmediate);
    await images.putClaims('n1', [{ ...layers('sha256:a'), problem: 'gone' }], whole);
    await images.pruneImages({ releasedBeforeMs: 0, atMs: T0 });
    return () => written;
  };
  const first = await deleteWhileWritten();
  t.same((await images.putClaims('n2', [layers('sha256:b', '2')], whole)).wanted, [digestOf('2')]);
  await first();
  t.same([...(await images.inventories()).keys()], [], 'neither is stored');
  t.equal(await images.inventoryContent(digestOf('2')), undefined);
  await images.putInventory(digestOf('2'), inventory(deb('bash')), content('two'), T0);
  t.equal((await images.packagesOf(digestOf('2'))).length, 1);
  t.equal((await images.inventories()).get(digestOf('2'))?.packages, 1);

  const second = await deleteWhileWritten();
  await images.putClaims('n1', [layers('sha256:a', '1')], whole);
  await second();
  t.notOk((await images.inventories()).has(digestOf('1')), 'one that a node names again is not stored by halves');
  await images.putInventory(digestOf('1'), inventory(...many), content('one'), T0);
  t.equal((await images.packagesOf(digestOf('1'))).length, many.length);
}

export async function imagePlaces(t: Test, { images }: Store): Promise<void> {
  const fromContainer = (imageId: string, letter: string): ImageClaim => ({
    ...layers(imageId, letter),
    source: 'container',
  });
  await images.putClaims('n1', [layers('sha256:a', '1'), fromContainer('sha256:b', '2')], whole);
  await images.putClaims('n2', [fromContainer('sha256:a', '2')], whole);
  await images.putInventory(digestOf('1'), inventory(deb('bash')), content(''), T0);
  await images.putInventory(digestOf('2'), inventory(deb('zlib')), content(''), T0);
  const keys = new Map((await images.unjudged('db', 10)).map(({ key, package: { name } }) => [name, key]));
  const [bash = 0, zlib = 0] = [keys.get('bash'), keys.get('zlib')];
  t.same(await images.places([bash]), [{ packageKey: bash, imageId: 'sha256:a' }], 'layers: wherever the image runs');
  t.same(
    (await images.places([zlib])).toSorted((one, two) => (one.imageId < two.imageId ? -1 : 1)),
    [
      { packageKey: zlib, imageId: 'sha256:a', nodeId: 'n2' },
      { packageKey: zlib, imageId: 'sha256:b', nodeId: 'n1' },
    ],
    'what a container shows counts for its node only, and takes nothing away from the layers',
  );
}

export async function prunesImages(t: Test, store: Store): Promise<void> {
  const { images } = store;
  await store.putNodes([nodeRow()]);
  await commitEvents(store, commit({ sequence: 1, snapshot: true, put: [finding()] }));
  await images.putClaims('n1', [layers('sha256:a', '1'), layers('sha256:b', '2')], whole);
  await images.putInventory(digestOf('1'), inventory(deb('bash')), content(''), T0);
  await images.putInventory(digestOf('2'), inventory(deb('zlib')), content(''), T0);
  const match = { vulnerability: vulnerability('CVE-1'), status: 'affected' } as const;
  const judged = await judge(store, 'db', { bash: [match], zlib: [match] });
  await images.putClaims('n1', [layers('sha256:b', '2')], { isWhole: true, atMs: T0 + 1000 });
  t.equal(await images.pruneImages({ releasedBeforeMs: T0 + 1000, atMs: T0 + 2000 }), 0, 'not yet');
  t.equal((await images.inventories()).size, 2);
  const newest = await images.pruneImages({ releasedBeforeMs: T0 + 1001, atMs: T0 + 2000 });
  t.equal(newest, judged + 1);
  t.match((await store.outbox(judged, 10)).filter(isVulnerabilityEvent), [
    { action: 'resolved', cause: 'imageGone', package: { name: 'bash' }, atMs: T0 + 2000 },
  ]);
  t.same(await images.claims('sha256:a'), []);
  t.same([...(await images.inventories()).keys()], [digestOf('2')]);
  t.same(await images.vulnerabilityIds({}), ['CVE-1'], 'another package still has it');

  await store.removeNode('n1', T0 + 3000);
  t.same(await images.claims(), [], 'a node that is removed says nothing any more');
  await images.pruneImages({ releasedBeforeMs: 0, atMs: T0 + 3000 });
  t.equal((await images.inventories()).size, 0);
  t.same(await images.vulnerabilityIds({}), []);
  const all = await store.outbox(0, 100);
  t.same(
    all.map(({ position }) => position),
    all.map((_, index) => index + 1),
    'findings and vulnerabilities share one sequence',
  );
  await store.prune([], 0);
  t.same(await store.outbox(0, 100), [], 'events of vulnerabilities leave the outbox with the others');
}
