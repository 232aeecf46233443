import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { listFixes } from '../../../collector/image/fixes.ts';
import { listImages } from '../../../collector/image/fleet-images.ts';
import { listVulnerabilities } from '../../../collector/image/fleet-vulnerabilities.ts';
import { toVulnerabilityFinding } from '../../../collector/event/ocsf/vulnerability-finding.ts';
import { isVulnerabilityEvent } from '../../../collector/store/stored-event.ts';
import { nodeRow } from '../store/fleet.ts';
import { advisory, build, DAY_MS, inventory, startFleet, until } from './matcher-fleet.ts';

type Fleet = Awaited<ReturnType<typeof startFleet>>;

const ID = 'CVE-2026-1001';

/** `shop` (two nodes) and `web` (one) have a vulnerable openssl; `web` also has a vulnerable curl. */
async function startVulnerableFleet(t: Test) {
  const fleet = await startFleet(t);
  const { directory, path, add } = fleet;
  await build(path, [advisory(ID, 'openssl', '3.0.2'), advisory('CVE-2026-1002', 'curl', '8.1')], Date.now() - DAY_MS);
  await add('n1', {
    'sha256:shop': inventory(['openssl', '3.0.1']),
    'sha256:web': inventory(['openssl', '3.0.1'], ['curl', '8.0']),
  });
  /** Replaces a file in one step, as an editor or Kubernetes does. */
  const put = (name: string, text: string): void => {
    writeFileSync(join(directory, 'temporary'), text);
    renameSync(join(directory, 'temporary'), join(directory, name));
  };
  const waive = (...waivers: readonly object[]): void =>
    put(
      'waivers/team.yaml',
      JSON.stringify(
        waivers.map((one) =>
          Object.assign({ ids: [ID], reason: 'not reachable', owner: 'shop team', expires: '2099-01-31' }, one),
        ),
      ),
    );
  return { ...fleet, put, waive };
}

/** Ids that are suppressed for every affected package version, and those that are not, as the lists show them. */
async function listed({ store, running }: Fleet) {
  const list = async (suppressed: boolean) =>
    (
      await listVulnerabilities(
        { images: store.images, running },
        { filter: { suppressed }, unused: true, offset: 0, limit: 10 },
      )
    ).list.map(({ id }) => id);
  return { suppressed: await list(true), open: await list(false) };
}

const events = async ({ store }: Fleet, id = ID) =>
  (await store.outbox(0, 1000)).filter(isVulnerabilityEvent).filter(({ vulnerability }) => vulnerability.id === id);

await t.test('a waiver suppresses, with reason, owner and end, until it expires', async (t) => {
  const fleet = await startVulnerableFleet(t);
  const { waive, start, store, running } = fleet;
  const matcher = start();
  await until(t, async () => (await listed(fleet)).open.length === 2);

  const expires = new Date(Date.now() + 4000).toISOString();
  waive({ expires });
  matcher.notify();
  await until(t, async () => (await listed(fleet)).suppressed.length === 1);
  t.same(await listed(fleet), { suppressed: [ID], open: ['CVE-2026-1002'] });
  const [row] = await store.images.affectedBy(ID);
  t.match(row?.suppressed, { by: 'waiver', owner: 'shop team', reason: /^not reachable/, source: 'team.yaml [0]' });
  t.equal(row?.suppressed?.expiresAt, Date.parse(expires));
  t.match(matcher.suppressionIn('sha256:shop', row as NonNullable<typeof row>), { owner: 'shop team' });
  t.same(matcher.issues(), []);
  await until(t, async () => !(await store.images.recount(1)));
  const sources = { images: store.images, running, database: matcher.database };
  t.same(
    (await listFixes(sources)).map((fix) => fix.package),
    ['curl'],
    'an upgrade for it is not listed',
  );
  t.match(
    (await listImages(sources, { unused: false })).find(({ id }) => id === 'sha256:shop'),
    { counts: { fixable: 0 } },
    'and it is not counted',
  );

  // Nobody tells the matcher: it looks at its waivers by the clock.
  await until(t, async () => Date.now() > Date.parse(expires));
  matcher.notify();
  await until(t, async () => (await listed(fleet)).open.length === 2);
  t.match(matcher.issues(), [{ code: 'waiverExpired', text: /^1 waiver expired.*team\.yaml \[0\]/ }]);
  await matcher.end();

  const all = await events(fleet);
  t.same(
    all.map(({ action, suppressed }) => `${action} ${suppressed?.by ?? '-'}`),
    ['opened -', 'changed waiver', 'opened -'],
  );
  // The numbers of `status_id` in https://schema.ocsf.io/1.8.0/classes/vulnerability_finding
  t.match(
    all.map((event) => toVulnerabilityFinding(event, {})),
    [
      { activity_id: 1, status_id: 1, status: 'New' },
      { activity_id: 2, status_id: 3, status: 'Suppressed', status_detail: /not reachable/ },
      { activity_id: 1, status_id: 1, status: 'New' },
    ],
  );
  t.equal(
    new Set(all.map((event) => JSON.stringify(toVulnerabilityFinding(event, {})['finding_info']).slice(0, 60))).size,
    1,
  );
});

await t.test('a broken file suppresses neither more nor less; one that is removed suppresses no more', async (t) => {
  const fleet = await startVulnerableFleet(t);
  const { directory, put, waive, start } = fleet;
  waive({});
  const matcher = start();
  await until(t, async () => (await listed(fleet)).suppressed.length === 1);
  t.same(
    (await events(fleet)).map(({ action, suppressed }) => `${action} ${suppressed?.by ?? '-'}`),
    ['opened waiver'],
    'what is waived when it is found is never reported as open',
  );

  for (const [name, text] of [
    ['no YAML', '- ids: [CVE-2026-1001'],
    ['a condition with a spelling mistake', JSON.stringify([{ ids: [ID, 'CVE-2026-1002'], image: ['shop'] }])],
    ['no end', JSON.stringify([{ ids: ['CVE-2026-1002'], reason: 'x', owner: 'x' }])],
    ['too large', ' '.repeat(300 * 1024)],
  ] as const) {
    put('waivers/team.yaml', text);
    matcher.notify();
    await until(t, () => Promise.resolve(matcher.issues().length > 0));
    t.match(matcher.issues(), [{ code: 'annotationFile', subject: join(directory, 'waivers/team.yaml') }], name);
    t.notMatch(JSON.stringify(matcher.issues()), 'CVE-', 'nothing of the file is quoted');
    t.same(await listed(fleet), { suppressed: [ID], open: ['CVE-2026-1002'] }, name);
    waive({});
    matcher.notify();
    await until(t, () => Promise.resolve(matcher.issues().length === 0));
  }
  put('waivers/team.yaml', 'broken: [');
  await matcher.end();
  const again = start();
  await until(t, () => Promise.resolve(again.issues().length > 0 && again.database().state === 'ok'));
  again.notify();
  t.same(await listed(fleet), { suppressed: [ID], open: ['CVE-2026-1002'] }, 'also after a restart');
  t.match(again.annotations()?.waivers, [{ ids: [ID] }], 'what the file said before counts');

  rmSync(join(directory, 'waivers/team.yaml'));
  again.notify();
  await until(t, async () => (await listed(fleet)).open.length === 2);
  t.same(again.issues(), []);
  await again.end();
});

await t.test(
  'a waiver for one image says nothing about another, nor about one that goes by its name elsewhere',
  async (t) => {
    const fleet = await startVulnerableFleet(t);
    const { waive, start, store, eventBus } = fleet;
    waive({ images: ['docker.io/library/shop'] });
    const matcher = start();
    await until(t, async () => (await listed(fleet)).open.length === 2);
    await until(t, () => Promise.resolve(matcher.rounds.length > 0));
    const [row] = await store.images.affectedBy(ID);
    if (row === undefined) throw new Error('not found');
    t.match(matcher.suppressionIn('sha256:shop', row), { by: 'waiver' });
    t.equal(matcher.suppressionIn('sha256:web', row), undefined);
    t.same((await listed(fleet)).suppressed, [], 'it counts because of web');

    waive({ images: ['docker.io/library/shop'] }, { images: ['docker.io/library/web'] });
    matcher.notify();
    await until(t, async () => (await listed(fleet)).suppressed.length === 1);

    // A stolen certificate: another node runs the same image under a name of its own.
    const rename = async (image: string): Promise<void> => {
      const node = nodeRow({
        id: 'n3',
        name: 'thief',
        containers: [{ id: 'c9', name: 'c9', image, imageId: 'sha256:shop', startedAt: '' }],
      });
      await store.putNodes([node]);
      eventBus.publish({ type: 'node', node });
    };
    await rename('evil:1');
    waive({ images: ['docker.io/library/shop'] }, { images: ['docker.io/library/web'] }, { ids: ['CVE-2026-7777'] });
    matcher.notify();
    await until(t, async () => (await listed(fleet)).suppressed.length === 0);
    t.equal(matcher.suppressionIn('sha256:shop', row), undefined, 'a further name takes the suppression away');
    await rename('shop:2');
    waive({ images: ['docker.io/library/evil'] });
    matcher.notify();
    await until(t, () => Promise.resolve(matcher.issues().some(({ code }) => code === 'waiverUnused')));
    t.same((await listed(fleet)).suppressed, [], 'and brings none about');
    await matcher.end();
  },
);

await t.test('VEX: not affected, then affected; the latest statement counts', async (t) => {
  const fleet = await startVulnerableFleet(t);
  const { put, start } = fleet;
  const vex = (status: string, timestamp: string): string =>
    JSON.stringify({
      '@context': 'https://openvex.dev/ns/v0.2.0',
      '@id': 'https://example.com/vex/1',
      author: 'shop team',
      timestamp,
      version: 1,
      statements: [
        {
          vulnerability: { name: ID },
          products: [{ '@id': 'pkg:deb/debian/openssl@3.0.1' }],
          status,
          ...(status === 'not_affected' && { justification: 'vulnerable_code_not_present' }),
          ...(status === 'affected' && { action_statement: 'upgrade' }),
        },
      ],
    });
  put('vex/one.json', vex('not_affected', '2026-11-01T00:00:00Z'));
  const matcher = start();
  await until(t, async () => (await listed(fleet)).suppressed.length === 1);
  t.match((await fleet.store.images.affectedBy(ID))[0]?.suppressed, { by: 'vex', source: 'https://example.com/vex/1' });
  put('vex/.hidden.json', 'not read');
  put('vex/two.json', vex('affected', '2026-11-02T00:00:00Z'));
  matcher.notify();
  await until(t, async () => (await listed(fleet)).suppressed.length === 0);
  t.same(matcher.issues(), []);
  await matcher.end();
});

await t.test('waivers that apply to nothing are reported; what does not exist is an issue', async (t) => {
  const fleet = await startVulnerableFleet(t);
  const { directory, waive, start } = fleet;
  waive({}, { ids: ['CVE-2026-9999'] }, { packages: ['libssl*'] });
  const matcher = start();
  await until(t, async () => matcher.issues().length > 0);
  t.match(matcher.issues(), [
    { code: 'waiverUnused', text: /^2 waivers applied to no .*: team\.yaml \[1\], team\.yaml \[2\]$/ },
  ]);
  renameSync(join(directory, 'waivers'), join(directory, 'elsewhere'));
  matcher.notify();
  await until(t, () => Promise.resolve(matcher.issues().length > 1));
  t.match(matcher.issues()[0], { code: 'annotationFile', subject: join(directory, 'waivers'), text: /ENOENT/ });
  t.same((await listed(fleet)).suppressed, [ID], 'the earlier waivers count');
  mkdirSync(join(directory, 'waivers'));
  matcher.notify();
  await until(t, async () => (await listed(fleet)).suppressed.length === 0);
  await matcher.end();
});

await t.test('attack: a waiver that accepts something nearly everywhere is reported', async (t) => {
  const fleet = await startVulnerableFleet(t);
  const { waive, start, store, eventBus, add } = fleet;
  const ids = Array.from({ length: 20 }, (_, index) => `sha256:many-${String(index)}`);
  const node = nodeRow({
    id: 'n3',
    containers: ids.map((imageId) => ({
      id: imageId,
      name: imageId,
      image: `${imageId.slice(7)}:1`,
      imageId,
      startedAt: '',
    })),
  });
  await store.putNodes([node]);
  eventBus.publish({ type: 'node', node });
  await add(
    'n3',
    Object.fromEntries(ids.map((imageId) => [imageId, inventory(['openssl', '3.0.1'], ['curl', '8.0'])])),
  );
  // Half of them, and all.
  waive({ images: ids.slice(0, 10).map((id) => `docker.io/library/${id.slice(7)}`) }, { ids: ['CVE-2026-1002'] });
  const matcher = start();
  await until(t, () => Promise.resolve(matcher.issues().some(({ code }) => code === 'waiverBroad')));
  t.match(matcher.issues(), [
    {
      code: 'waiverBroad',
      text: /1 waiver applied to vulnerabilities in more than half .*: team\.yaml \[1\] \(21 of 22 images\)$/,
    },
  ]);
  await matcher.end();
});
