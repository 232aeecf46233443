import type { Test } from 'tap';
import type { Package } from '../../../vulnerability/package.ts';
import type { Vulnerability } from '../../../vulnerability/vulnerability.ts';
import { ANNOUNCE_START } from '../../../collector/store/image-store.ts';
import type {
  AnnouncePlace,
  DescribeUse,
  ImageClaim,
  ImageUseSummary,
  Judgement,
} from '../../../collector/store/image-store.ts';
import type { Store } from '../../../collector/store/store.ts';
import { isVulnerabilityEvent } from '../../../collector/store/store.ts';
import { measureLongestTurn } from '../../fixture/longest-turn.ts';
import { commit, commitEvents, finding, nodeRow, T0 } from './fleet.ts';

const digestOf = (letter: string): string => letter.repeat(64);
const layers = (imageId: string, letter?: string): ImageClaim => ({
  imageId,
  ...(letter !== undefined && { digest: digestOf(letter) }),
  source: 'layers',
  problem: '',
});
const DEBIAN = { id: 'debian', versionId: '12', codename: 'bookworm', like: [] };
const deb = (name: string, version = '1'): Package => ({ type: 'deb', name, version, path: '/var/lib/dpkg/status' });
const whole = { isWhole: true, atMs: T0 };
const inventory = (...packages: readonly Package[]) => ({ distribution: DEBIAN, packages, gaps: [] });
const content = (text: string): Uint8Array => Buffer.from(text);
const vulnerability = (id: string, over: Partial<Vulnerability> = {}): Vulnerability => ({
  id,
  advisory: `DEBIAN-${id}`,
  aliases: [],
  severity: 'high',
  risk: 40,
  ...over,
});
const NO_USE: ImageUseSummary = { images: [], imageCount: 0, containers: [], containerCount: 0, nodeCount: 0 };
const terms: { readonly atMs: number; readonly describeUse: DescribeUse } = { atMs: T0, describeUse: () => NO_USE };

/** Judges every package: `matches` by name of the package. */
async function judge(
  store: Store,
  database: string,
  matches: Readonly<Record<string, Judgement['matches']>>,
  over: Partial<typeof terms> = {},
): Promise<number> {
  const packages = await store.images.unjudged(database, 10_000);
  const judgements = packages.map(({ key, package: { name } }) => ({ key, matches: matches[name] ?? [] }));
  const { newest, stored } = await store.images.putJudgements(database, judgements, { ...terms, ...over });
  if (stored !== packages.length) throw new Error('judgements without a limit are stored completely');
  return newest;
}

const NONE_AT_REST = { wanted: [], packages: 0 };

/** Images at rest are told from those that run, whichever way they change. */
export async function imagesAtRest(t: Test, { images }: Store): Promise<void> {
  const claims = [layers('sha256:a', '1'), { ...layers('sha256:b', '2'), atRest: ['shop/db:16'] }];
  t.same(await images.putClaims('n1', claims, whole), {
    wanted: [digestOf('1')],
    packages: 0,
    atRest: { wanted: [digestOf('2')], packages: 0 },
  });
  await images.putInventory(digestOf('1'), inventory(deb('bash')), content(''), T0);
  await images.putInventory(digestOf('2'), inventory(deb('bash'), deb('zlib')), content(''), T0);
  const both = [...claims, { ...layers('sha256:c', '1'), atRest: [] }];
  t.same(
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

export async function imageClaims(t: Test, { images }: Store): Promise<void> {
  t.same(await images.putClaims('n1', [layers('sha256:a', '1'), layers('sha256:b')], whole), {
    wanted: [digestOf('1')],
    packages: 0,
    atRest: NONE_AT_REST,
  });
  await images.putInventory(digestOf('1'), inventory(deb('bash'), deb('zlib')), content('one'), T0);
  t.same(await images.putClaims('n1', [layers('sha256:a', '1'), layers('sha256:b')], whole), {
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

/** A vulnerability is an event once a container runs a package version that has it, whatever came before. */
export async function vulnerabilitiesAtRest(t: Test, store: Store): Promise<void> {
  const { images } = store;
  const events = async () =>
    (await store.outbox(0, 1000))
      .filter(isVulnerabilityEvent)
      .map(({ action, package: { name }, vulnerability: { id } }) => `${action} ${id} ${name}`);
  const resting = { ...layers('sha256:rest', '1'), atRest: ['shop/db:16'] };
  await images.putClaims('n1', [resting, layers('sha256:run', '2')], whole);
  await images.putInventory(digestOf('1'), inventory(deb('bash'), deb('zlib')), content(''), T0);
  await images.putInventory(digestOf('2'), inventory(deb('zlib')), content(''), T0);
  const cve1 = { vulnerability: vulnerability('CVE-1'), status: 'affected' } as const;
  const cve2 = { vulnerability: vulnerability('CVE-2'), status: 'affected' } as const;
  await judge(store, 'db1', { bash: [cve1], zlib: [cve1] });
  t.same(await events(), ['opened CVE-1 zlib']);
  t.equal((await images.vulnerabilitiesOf([digestOf('1')])).length, 2, 'what images at rest have is known');
  await judge(store, 'db2', { bash: [cve1, cve2], zlib: [cve1] });
  const few = { packages: 10, vulnerabilities: 10 };
  t.same(await images.announce(ANNOUNCE_START, few, terms), { newest: 0, next: undefined }, 'nothing runs it');

  await images.putClaims('n2', [layers('sha256:rest', '1')], whole);
  let newest = 0;
  const one = { packages: 1, vulnerabilities: 1 };
  for (let from: AnnouncePlace | undefined = ANNOUNCE_START; from !== undefined;) {
    const announced: Awaited<ReturnType<typeof images.announce>> = await images.announce(from, one, terms);
    newest = Math.max(newest, announced.newest);
    from = announced.next;
  }
  t.ok(newest > 0);
  t.same((await events()).slice(1).sort(), ['opened CVE-1 bash', 'opened CVE-2 bash']);
  t.same(await images.announce(ANNOUNCE_START, few, terms), { newest: 0, next: undefined }, 'once');
  await judge(store, 'db3', { bash: [cve1], zlib: [cve1] });
  t.same((await events()).slice(3), ['resolved CVE-2 bash']);

  // Started and judged by a new database at the same time.
  await images.putClaims('n3', [{ ...layers('sha256:other', '3'), atRest: [] }], whole);
  await images.putInventory(digestOf('3'), inventory(deb('curl')), content(''), T0);
  await judge(store, 'db4', { bash: [cve1], zlib: [cve1], curl: [cve1] });
  await images.putClaims('n3', [layers('sha256:other', '3')], whole);
  await judge(store, 'db5', { bash: [cve1], zlib: [cve1], curl: [cve1, cve2] });
  await images.announce(ANNOUNCE_START, few, terms);
  t.same((await events()).slice(4).sort(), ['opened CVE-1 curl', 'opened CVE-2 curl']);

  // What never ran goes without an event.
  await images.putClaims('n3', [layers('sha256:other', '3'), { ...layers('sha256:x', '4'), atRest: [] }], whole);
  await images.putInventory(digestOf('4'), inventory(deb('nano')), content(''), T0);
  await judge(store, 'db6', { bash: [cve1], zlib: [cve1], curl: [cve1, cve2], nano: [cve1] });
  await images.putClaims('n3', [layers('sha256:other', '3')], whole);
  await images.pruneImages({ releasedBeforeMs: T0 + 1, atMs: T0 + 1 });
  t.equal((await events()).length, 6);
  t.equal(
    (await images.affectedBy('CVE-1')).some(({ package: { name } }) => name === 'nano'),
    false,
  );
}

export async function vulnerabilityLifecycle(t: Test, store: Store): Promise<void> {
  const { images } = store;
  await images.putClaims('n1', [layers('sha256:a', '1'), layers('sha256:b', '2')], whole);
  await images.putInventory(digestOf('1'), inventory(deb('bash'), deb('zlib')), content(''), T0);
  await images.putInventory(digestOf('2'), inventory(deb('bash')), content(''), T0);
  const events = async (after: number) => (await store.outbox(after, 1000)).filter(isVulnerabilityEvent);

  const cve1 = vulnerability('CVE-1', { kev: { addedAt: T0, ransomware: false }, severity: 'critical', risk: 90 });
  const cve2 = vulnerability('CVE-2');
  const fixed = { status: 'fixed', fixedVersion: '2' } as const;
  const bash = [
    { vulnerability: cve1, ...fixed },
    { vulnerability: cve2, status: 'affected' },
  ] as const;
  const use = { ...NO_USE, containerCount: 7 };
  const described: unknown[] = [];
  const newest = await judge(
    store,
    'db1',
    { bash, zlib: [{ vulnerability: cve2, status: 'affected' }] },
    {
      describeUse: (places) => {
        described.push(places);
        return use;
      },
    },
  );
  t.equal(newest, 3);
  const opened = await events(0);
  t.match(opened.map(({ action, vulnerability: { id }, package: { name } }) => `${action} ${id} ${name}`).sort(), [
    'opened CVE-1 bash',
    'opened CVE-2 bash',
    'opened CVE-2 zlib',
  ]);
  t.equal(new Set(opened.map(({ uid }) => uid)).size, 3);
  t.match(opened[0], { use: { containerCount: 7 }, atMs: T0, firstSeenMs: T0, distribution: DEBIAN });
  t.ok(JSON.stringify(described).includes('sha256:b'), 'where the package is used was asked for');
  t.same(await images.unjudged('db1', 10), []);

  while (await images.recount(1));
  const counted = (await images.inventories()).get(digestOf('1'));
  t.match(counted, { waiting: 0, counts: { critical: 1, high: 1, fixable: 1, exploited: 1, maxRisk: 90 } });
  t.same(await images.vulnerabilityIds({}), ['CVE-1', 'CVE-2'], 'by risk');
  t.same(await images.vulnerabilityIds({ severities: ['high'] }), ['CVE-2']);
  t.same(await images.vulnerabilityIds({ exploited: true }), ['CVE-1']);
  t.same(await images.vulnerabilityIds({ fixable: false }), ['CVE-2']);
  t.same(await images.vulnerabilityIds({ text: 'ZLIB' }), ['CVE-2']);
  t.same(await images.vulnerabilityIds({ text: "%' --" }), []);
  const affected = await images.affectedBy('CVE-2');
  t.same(
    affected.map(({ package: { name } }) => name),
    ['bash', 'zlib'],
  );
  t.match(affected[0], { vulnerability: { id: 'CVE-2', advisory: 'DEBIAN-CVE-2', severity: 'high', risk: 40 } });
  t.equal((await images.vulnerabilitiesOf([digestOf('1'), digestOf('2')])).length, 3, 'each once');
  t.match(await images.fixable(), [{ vulnerabilityId: 'CVE-1', fixedVersion: '2', exploited: true }]);

  t.equal(await judge(store, 'db2', { bash, zlib: [{ vulnerability: cve2, status: 'affected' }] }), 0, 'nothing new');
  const worse = { ...cve2, severity: 'critical' } as const;
  await judge(store, 'db3', {
    bash: [bash[0], { vulnerability: worse, ...fixed }],
    zlib: [{ vulnerability: worse, ...fixed }],
  });
  t.same(
    (await events(newest)).map(({ action, vulnerability: { id }, fixedVersion }) => [action, id, fixedVersion]),
    [
      ['changed', 'CVE-2', '2'],
      ['changed', 'CVE-2', '2'],
    ],
    'each package version reports the change',
  );
  const quiet = { ...worse, risk: 41, summary: 'now with a summary' };
  t.equal(
    await judge(store, 'db4', {
      bash: [bash[0], { vulnerability: quiet, ...fixed }],
      zlib: [{ vulnerability: quiet, ...fixed }],
    }),
    0,
    'risk alone makes no event',
  );
  t.match((await images.affectedBy('CVE-2'))[0], { vulnerability: { risk: 41, summary: 'now with a summary' } });

  const packages = await images.unjudged('db5', 10);
  const key = packages.find(({ package: { name } }) => name === 'zlib')?.key ?? -1;
  t.same(
    await images.putJudgements('db5', [{ key, unjudged: 'no data', matches: [] }], terms),
    { newest: 0, stored: 1 },
    'what cannot be judged any more is not resolved',
  );
  t.same(await images.unjudgedOf([digestOf('1')]), [{ package: { ...deb('zlib'), path: '' }, reason: 'no data' }]);
  const before = await judge(store, 'db6', { bash: [bash[0]] });
  t.same(
    (await events(before - 2)).map(({ action, cause, vulnerability: { id } }) => [action, cause, id]),
    [
      ['resolved', 'database', 'CVE-2'],
      ['resolved', 'database', 'CVE-2'],
    ],
  );
}

/** Package versions with thousands of vulnerabilities are stored in parts, so that a transaction is short. */
export async function judgementsInParts(t: Test, store: Store): Promise<void> {
  const { images } = store;
  await images.putClaims('n1', [layers('sha256:a', '1')], whole);
  await images.putInventory(digestOf('1'), inventory(deb('bash'), deb('linux')), content(''), T0);
  const ids = Array.from({ length: 25 }, (_, index) => `CVE-${String(index)}`);
  const matches = (severity: 'high' | 'low') =>
    ids.map((id) => ({ vulnerability: vulnerability(id, { severity }), status: 'affected' }) as const);
  /** Puts judgements as the matcher does; the number of transactions. */
  const putAll = async (database: string, own: Judgement['matches'], limit: number): Promise<number> => {
    let rest = (await images.unjudged(database, 10)).map(({ key }): Judgement => ({ key, matches: own }));
    let parts = 0;
    for (; rest.length > 0; parts += 1) {
      const { stored } = await images.putJudgements(database, rest, { ...terms, limit });
      rest = rest.slice(stored);
      t.equal((await images.unjudged(database, 10)).length, rest.length, 'what is stored in part is not judged');
    }
    return parts;
  };
  const actions = async () =>
    Object.groupBy((await store.outbox(0, 1000)).filter(isVulnerabilityEvent), ({ action }) => action);
  t.equal(await putAll('db1', matches('high'), 10), 5, '50 vulnerabilities');
  t.equal((await actions()).opened?.length, 50, 'each is told once');
  t.equal(await putAll('db2', matches('high'), 1), 1, 'what is the same costs nothing');
  await putAll('db3', matches('low'), 7);
  t.equal((await actions()).changed?.length, 50);
  await putAll('db4', [], 7);
  t.match((await actions()).resolved?.length, 50);
  t.same(await images.vulnerabilityIds({}), []);
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

/** One advisory, two package versions: severity and risk are those of each, whatever is stored last. */
export async function vulnerabilityRatings(t: Test, store: Store): Promise<void> {
  const { images } = store;
  await images.putClaims('n1', [layers('sha256:a', '1'), layers('sha256:b', '2')], whole);
  await images.putInventory(digestOf('1'), inventory(deb('bash', '1')), content(''), T0);
  await images.putInventory(digestOf('2'), inventory(deb('bash', '2'), deb('zlib')), content(''), T0);
  const fixed = {
    vulnerability: vulnerability('CVE-1', { severity: 'high', risk: 40 }),
    status: 'fixed',
    fixedVersion: '3',
  } as const;
  const open = {
    vulnerability: vulnerability('CVE-1', { severity: 'low', risk: 36 }),
    status: 'affected',
  } as const;
  const zlib = { vulnerability: vulnerability('CVE-2', { severity: 'medium', risk: 38 }), status: 'affected' } as const;
  const judgeAll = async (database: string, order: 1 | -1): Promise<number> => {
    const packages = (await images.unjudged(database, 10)).toSorted((one, other) => order * (one.key - other.key));
    const matchOf = ({ name, version }: Package) => (name === 'zlib' ? zlib : version === '1' ? fixed : open);
    const judgements = packages.map(({ key, package: found }) => ({ key, matches: [matchOf(found)] }));
    return (await images.putJudgements(database, judgements, terms)).newest;
  };
  const ratings = async () =>
    (await images.affectedBy('CVE-1')).map(({ package: { version }, vulnerability: { severity, risk } }) => [
      version,
      severity,
      risk,
    ]);
  const expected = [
    ['1', 'high', 40],
    ['2', 'low', 36],
  ];
  await judgeAll('db1', 1);
  t.same(await ratings(), expected);
  t.equal(await judgeAll('db2', -1), 0, 'the other order is no change');
  t.same(await ratings(), expected);
  while (await images.recount(1));
  const stored = await images.inventories();
  t.match(stored.get(digestOf('1'))?.counts, { high: 1, low: 0, fixable: 1, maxRisk: 40 });
  t.match(stored.get(digestOf('2'))?.counts, { high: 0, medium: 1, low: 1, fixable: 0, maxRisk: 38 });
  t.match(
    (await images.vulnerabilitiesOf([digestOf('2')])).map(({ vulnerability: { id } }) => id),
    ['CVE-2', 'CVE-1'],
    'by the risk that it has in this image',
  );
  t.match(await images.fixable(), [{ vulnerabilityId: 'CVE-1', severity: 'high', risk: 40 }]);
  t.same(await images.vulnerabilityIds({}), ['CVE-1', 'CVE-2'], 'by the highest risk of all package versions');
  t.same(await images.vulnerabilityIds({ severities: ['low', 'medium'] }), ['CVE-1', 'CVE-2'], 'also when filtered');
  t.same(await images.vulnerabilityIds({ severities: ['high'] }), ['CVE-1']);
  t.same(await images.vulnerabilityIds({ severities: ['low'], fixable: false }), [], 'it is fixed in one of them');
}

/** A kernel has thousands of vulnerabilities: what is stored of them at a stretch has a bound, whatever has to be done. */
export async function vulnerabilitiesInSlices(t: Test, store: Store): Promise<void> {
  const { images } = store;
  const count = 3000;
  const all = Array.from({ length: count }, (_, index) => ({
    vulnerability: vulnerability(`CVE-${String(index)}`),
    status: 'affected' as const,
  }));
  const events = async () => (await store.outbox(0, 10_000)).filter(isVulnerabilityEvent);
  await images.putClaims('n1', [{ ...layers('sha256:rest', '1'), atRest: [] }], whole);
  await images.putInventory(digestOf('1'), inventory(deb('linux'), deb('zlib')), content(''), T0);
  await judge(store, 'db1', { linux: all, zlib: all.slice(0, 2) });
  await images.putClaims('n1', [layers('sha256:rest', '1')], whole);

  let written = 0;
  for (let from: AnnouncePlace | undefined = ANNOUNCE_START; from !== undefined;) {
    const limits = { packages: 200, vulnerabilities: 300 };
    const announced: Awaited<ReturnType<typeof images.announce>> = await images.announce(from, limits, terms);
    const now = (await events()).length;
    t.ok(now - written <= 300, `${String(now - written)} events at a stretch`);
    [written, from] = [now, announced.next];
  }
  const opened = await events();
  t.equal(new Set(opened.map(({ package: { name }, vulnerability: { id } }) => `${name} ${id}`)).size, count + 2);
  t.equal(opened.length, count + 2, 'each once');

  await images.putClaims('n1', [], whole);
  const longestTurn = measureLongestTurn();
  await images.pruneImages({ releasedBeforeMs: Infinity, atMs: T0 });
  const longestMs = longestTurn();
  t.ok(longestMs <= 50, `longest turn: ${longestMs.toFixed(1)} ms of CPU`);
  t.equal((await events()).filter(({ action }) => action === 'resolved').length, count + 2);
  t.same(await images.vulnerabilityIds({}), []);
}
