import { copyFileSync, openSync, writeSync, closeSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { isVulnerabilityEvent } from '../../../collector/store/stored-event.ts';
import { DatabaseSync } from 'node:sqlite';
import type { Package } from '../../../vulnerability/package.ts';
import { measureLongestTurn } from '../../fixture/longest-turn.ts';
import { createRandom } from '../../fixture/random.ts';
import { build as buildFrom, noVulnerabilityData, vulnerabilityData } from '../../fixture/vulnerability-data.ts';
import { advisory, build, DAY_MS, DEBIAN, inventory, startFleet, until } from './matcher-fleet.ts';

type Fleet = Awaited<ReturnType<typeof startFleet>>;

/** Lets a matcher work until it has judged everything; how many package versions it matched, and how many it did not. */
async function judgeOnce(t: Test, { start }: Fleet, version?: string) {
  const matcher = start(version);
  await until(t, () => Promise.resolve(matcher.rounds.length > 0));
  await matcher.end();
  const { packages, unchanged } = matcher.rounds[0] ?? { packages: -1, unchanged: -1 };
  return { matched: packages, unchanged };
}

const epss = (score: number): string => `cve,epss,percentile\nCVE-2026-1001,${score.toFixed(5)},0.5\n`;
const kev = JSON.stringify({
  catalogVersion: '1',
  vulnerabilities: [{ cveID: 'CVE-2026-1001', dateAdded: '2026-11-01', knownRansomwareCampaignUse: 'Unknown' }],
});

await t.test('only what a new database says something else about is matched again', async (t) => {
  const fleet = await startFleet(t);
  const { path, store, add } = fleet;
  const now = Date.now();
  await add('n1', {
    'sha256:shop': inventory(['openssl', '3.0.1'], ['openssl', '3.0.0'], ['zlib', '1.2'], ['curl', '8.0']),
  });
  await add('n2', {
    'sha256:web': {
      distribution: { ...DEBIAN, versionId: '13', codename: 'trixie' },
      packages: [{ type: 'deb', name: 'zlib', version: '1.2', path: '' }],
      gaps: [],
    },
  });
  const openssl = advisory('CVE-2026-1001', 'openssl', '3.0.2');
  const zlib = advisory('CVE-2026-1002', 'zlib', '1.3');
  const risks = async () => (await store.images.affectedBy('CVE-2026-1001')).map((one) => one.vulnerability.risk);
  const actions = async (after: number) =>
    (await store.outbox(after, 100))
      .filter(isVulnerabilityEvent)
      .map(({ action, vulnerability: { id }, package: { version } }) => `${action} ${id} ${version}`)
      .sort();
  const position = async () => (await store.outbox(0, 1000)).at(-1)?.position ?? 0;

  await build(path, [openssl], now - 9 * DAY_MS);
  t.same(await judgeOnce(t, fleet), { matched: 5, unchanged: 0 }, 'the first database');
  t.same(await actions(0), ['opened CVE-2026-1001 3.0.0', 'opened CVE-2026-1001 3.0.1']);

  await build(path, [openssl], now - 8 * DAY_MS);
  t.same(await judgeOnce(t, fleet), { matched: 0, unchanged: 5 }, 'built again from the same advisories');

  let seen = await position();
  await build(path, [zlib, openssl], now - 7 * DAY_MS);
  t.same(await judgeOnce(t, fleet), { matched: 1, unchanged: 4 }, 'a new advisory, which changes all row numbers');
  t.same(await actions(seen), ['opened CVE-2026-1002 1.2']);

  seen = await position();
  const [low] = await risks();
  await build(path, [zlib, openssl], now - 6 * DAY_MS, { 'epss.csv': epss(0.9) });
  t.same(await judgeOnce(t, fleet), { matched: 2, unchanged: 3 }, 'only EPSS');
  t.ok(
    (await risks()).every((risk) => risk > (low ?? 0)),
    'the risk is that of the new score',
  );
  t.same(await actions(seen), [], 'which is no event');

  await build(path, [zlib, openssl], now - 5 * DAY_MS, { 'epss.csv': epss(0.9), 'kev.json': kev });
  t.same(await judgeOnce(t, fleet), { matched: 2, unchanged: 3 }, 'only KEV');
  t.same(await actions(seen), ['changed CVE-2026-1001 3.0.0', 'changed CVE-2026-1001 3.0.1']);

  seen = await position();
  await build(path, [zlib, { ...openssl, withdrawn: '2026-11-01T00:00:00Z' }], now - 4 * DAY_MS);
  t.same(await judgeOnce(t, fleet), { matched: 2, unchanged: 3 }, 'withdrawn');
  t.same(await actions(seen), ['resolved CVE-2026-1001 3.0.0', 'resolved CVE-2026-1001 3.0.1']);

  seen = await position();
  const [part] = zlib.affected;
  const trixie = { ...zlib, affected: [part, { ...part, package: { ecosystem: 'Debian:13', name: 'zlib' } }] };
  await build(path, [trixie], now - 3 * DAY_MS);
  t.same(await judgeOnce(t, fleet), { matched: 1, unchanged: 4 }, 'a release that the database did not know');
  t.same(await actions(seen), ['opened CVE-2026-1002 1.2']);

  seen = await position();
  await build(path, [trixie], now - 2 * DAY_MS, {
    'debian.csv':
      'version,codename,series,created,release,eol,eol-lts\n12,Bookworm,bookworm,2020-01-01,2020-01-01,2021-01-01,2022-01-01\n',
  });
  t.same(await judgeOnce(t, fleet), { matched: 4, unchanged: 1 }, 'a distribution whose end of life has come');

  await build(path, [trixie], now - DAY_MS);
  t.same(await judgeOnce(t, fleet, '1.0.1'), { matched: 5, unchanged: 0 }, 'another version of the program');
});

await t.test('matching what has changed gives what matching everything gives', async (t) => {
  const [incremental, whole] = [await startFleet(t), await startFleet(t)];
  const random = createRandom(7);
  const names = Array.from({ length: 12 }, (_, index) => `package-${String(index)}`);
  const packages = names.flatMap((name) => ['1.0', '1.5', '2.0~rc1', '2.0'].map((version) => [name, version] as const));
  for (const { add } of [incremental, whole])
    await add('n1', {
      'sha256:shop': inventory(...packages.slice(0, 30)),
      'sha256:web': inventory(...packages.slice(20)),
    });
  const records = new Map<string, object>();
  const vulnerabilities = async ({ store }: Fleet) => {
    const ids = await store.images.vulnerabilityIds({});
    const rows = await Promise.all(ids.map((id) => store.images.affectedBy(id)));
    return rows
      .flat()
      .map(({ package: { name, version }, vulnerability, status, fixedVersion }) => ({
        name,
        version,
        vulnerability,
        status,
        fixedVersion,
      }))
      .sort((one, other) => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1));
  };
  for (let round = 0; round < 6; round += 1) {
    for (let change = 0; change < 8; change += 1) {
      const id = `CVE-2026-${String(random.between(1001, 1030))}`;
      if (random.next() < 0.3) records.delete(id);
      else records.set(id, advisory(id, random.pick(names), random.pick(['1.2', '1.5', '2.0', '3'])));
    }
    const builtAt = Date.now() - (10 - round) * DAY_MS;
    const feeds = { 'epss.csv': epss(random.next()) };
    for (const { path } of [incremental, whole]) await build(path, [...records.values()], builtAt, feeds);
    await judgeOnce(t, incremental, '1.0.0');
    await judgeOnce(t, whole, `1.0.${String(round)}`);
    t.same(await vulnerabilities(incremental), await vulnerabilities(whole), `round ${String(round)}`);
  }
  t.ok((await vulnerabilities(whole)).length > 10, 'there is something to compare');
});

/** Package versions of the ecosystem, each a bound of a range of its own package, so that there is much to match. */
function versionsIn(path: string, ecosystem: string, type: Package['type'], limit: number): readonly Package[] {
  const database = new DatabaseSync(path, { readOnly: true });
  const rows = database
    .prepare(
      `SELECT DISTINCT p.name, v.text AS version FROM affected f JOIN package p ON p.id = f.package
       JOIN ecosystem e ON e.id = p.ecosystem JOIN version v ON v.id = f.upper WHERE e.name = ? LIMIT ?`,
    )
    .all(ecosystem, limit);
  database.close();
  return rows.map(({ name, version }) => ({ type, name: String(name), version: String(version), path: '' }));
}

await t.test(
  'a new database of real size is verified and matched without holding up sessions, and a damaged one is refused',
  { skip: noVulnerabilityData },
  async (t) => {
    const fleet = await startFleet(t);
    const { directory, path, store, add, start } = fleet;
    const fresh = join(directory, 'fresh.sqlite');
    const built = await buildFrom([vulnerabilityData], fresh, { builtAt: Date.now() - DAY_MS });
    if (!built.ok) throw new Error(built.problem);
    const packages = [
      ...versionsIn(fresh, 'Debian:12', 'deb', 500),
      ...versionsIn(fresh, 'npm', 'npm', 500),
      ...versionsIn(fresh, 'Go', 'golang', 500),
    ];
    // Several large images: each is counted after its packages are matched.
    const images = ['shop', 'web', 'job', 'db', 'proxy'].map((name, index) => {
      const inventory = { distribution: DEBIAN, packages: packages.slice(index), gaps: [] };
      return [`sha256:${name}`, inventory] as const;
    });
    await add('n1', Object.fromEntries(images));
    copyFileSync(fresh, path);
    // The first turns compile the code, which a collector does once.
    const longestTurn = measureLongestTurn();
    const matcher = start();
    await until(t, async () => [...(await store.images.inventories()).values()].every(({ waiting }) => waiting === 0));
    const longestMs = longestTurn();
    t.ok(longestMs <= 50, `longest turn: ${longestMs.toFixed(1)} ms of CPU`);
    t.match(matcher.rounds, [{ packages: packages.length }]);
    const known = await store.images.vulnerabilityIds({});
    t.ok(known.length > 500, String(known.length));

    // One page in the middle, which only a check of all pages finds.
    const damaged = openSync(path, 'r+');
    writeSync(damaged, Buffer.alloc(4096, 0xff), 0, 4096, 4096 * Math.floor(statSync(path).size / 8192));
    closeSync(damaged);
    matcher.notify();
    await until(t, () => Promise.resolve(matcher.database().state === 'damaged'));
    t.match(matcher.issues(), [{ code: 'vulnerabilityDatabase' }]);
    t.same(await store.images.vulnerabilityIds({}), known, 'nothing is resolved');
    await matcher.end();
  },
);
