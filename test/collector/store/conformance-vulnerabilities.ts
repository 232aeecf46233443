import type { Test } from 'tap';
import type { Package } from '../../../vulnerability/package.ts';
import { ANNOUNCE_START } from '../../../collector/store/image-store.ts';
import type { AnnouncePlace, Judgement } from '../../../collector/store/image-store.ts';
import type { Store } from '../../../collector/store/store.ts';
import { isVulnerabilityEvent } from '../../../collector/store/stored-event.ts';
import { measureLongestTurn } from '../../fixture/longest-turn.ts';
import { T0 } from './fleet.ts';
import {
  content,
  deb,
  DEBIAN,
  digestOf,
  inventory,
  judge,
  layers,
  NO_USE,
  terms,
  vulnerability,
  whole,
} from './image-rows.ts';

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
