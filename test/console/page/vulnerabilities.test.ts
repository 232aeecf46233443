import { mkdirSync } from 'node:fs';
import type { Browser } from 'playwright-core';
import t from 'tap';
import type { Test } from 'tap';
import type { Inventory } from '../../../vulnerability/package.ts';
import { launchChromium, noChromium } from '../../component/chromium.ts';
import { HOSTILE } from '../seed.ts';
import { imageIdOf, seedDatabase, seedImages } from '../seed-images.ts';
import { fetchApi, startSite } from '../site.ts';
import type { Site } from '../site.ts';
import { lookAround } from './look.ts';
import { enter, openVisitor } from './visitor.ts';
import type { Visitor } from './visitor.ts';

t.setTimeout(120_000);

const DEBIAN = { id: 'debian', versionId: '12', codename: 'bookworm', like: [] };
const DAY_MS = 86_400_000;

const inventoryOf = (
  packages: Readonly<Record<string, string>>,
  gaps: Inventory['gaps'] = [],
  distribution: Inventory['distribution'] = DEBIAN,
): Inventory => ({
  ...(distribution !== undefined && { distribution }),
  packages: Object.entries(packages).map(([name, version]) => ({
    type: 'deb',
    name,
    version,
    path: '/var/lib/dpkg/status',
  })),
  gaps,
});

/** An OSV record of Debian 12: `name` is affected below `fixed`, or in every version. */
const advisory = (id: string, name: string, fixed?: string) => ({
  id: `DEBIAN-${id}`,
  upstream: [id],
  summary: `${HOSTILE.markup} in ${name}`,
  modified: '2026-06-01T00:00:00Z',
  published: '2026-06-01T00:00:00Z',
  // 9.8 by the specification of CVSS 3.1
  severity: [{ type: 'CVSS_V3', score: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H' }],
  affected: [
    {
      package: { ecosystem: 'Debian:12', name },
      ranges: [{ type: 'ECOSYSTEM', events: [{ introduced: '0' }, ...(fixed === undefined ? [] : [{ fixed }])] }],
    },
  ],
});

const FILES = {
  'debian.ndjson': [
    advisory('CVE-2026-1001', 'openssl', '3.0.2'),
    advisory('CVE-2026-1002', 'openssl', '3.0.2'),
    advisory('CVE-2026-1003', 'zlib'),
    { ...advisory('CVE-2026-1004', 'bash', '6'), severity: [] },
  ]
    .map((record) => JSON.stringify(record))
    .join('\n'),
  'epss.csv': 'cve,epss,percentile\nCVE-2026-1001,0.97000,0.99900\nCVE-2026-1003,0.00042,0.10000\n',
  'kev.json': JSON.stringify({
    catalogVersion: '2026.08.07',
    dateReleased: '2026-08-07T16:45:47.0648Z',
    count: 1,
    vulnerabilities: [
      { cveID: 'CVE-2026-1001', dateAdded: '2026-08-05', dueDate: '2026-08-08', knownRansomwareCampaignUse: 'Known' },
    ],
  }),
};

const GAP = { path: `/opt/${HOSTILE.markup}.jar`, reason: 'the archive is damaged' };
const IMAGES = [
  { name: 'shop', nodes: ['web-1', 'web-2'], inventory: inventoryOf({ openssl: '3.0.1', zlib: '1.2' }) },
  { name: 'tool', nodes: ['web-1'], inventory: inventoryOf({ bash: '5' }, [GAP]) },
  { name: 'clean', nodes: ['web-2'], inventory: inventoryOf({ openssl: '3.0.2' }) },
  { name: 'closed', nodes: ['web-2'], problem: 'the layers are not readable' },
  { name: 'spare', nodes: ['web-2'], atRest: ['spare:2'], inventory: inventoryOf({ openssl: '3.0.2' }) },
];

async function until(t: Test, condition: () => Promise<boolean>): Promise<void> {
  for (let left = 300; left > 0; left -= 1) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  t.fail('not in time');
}

/** No image waits to be judged any more, and each that was is counted. */
async function isJudged(site: Site): Promise<boolean> {
  const answer = (await (await fetchApi(site, '/v1/images')).json()) as {
    images: readonly { readonly state: string; readonly names: readonly string[]; readonly maxRisk: number }[];
  };
  return answer.images.every(
    ({ state, names, maxRisk }) => state !== 'pending' && (names[0] !== 'shop:1' || maxRisk > 0),
  );
}

async function visit(t: Test, browser: Browser, site: Site): Promise<Visitor> {
  const visitor = await openVisitor(browser, site, { reducedMotion: 'reduce' });
  t.teardown(() => visitor.close());
  await enter(visitor, site);
  return visitor;
}

void t.test('vulnerabilities of the fleet, in a real browser', { skip: noChromium }, async (t) => {
  const browser = await launchChromium();
  t.teardown(() => browser.close());
  const site = await startSite(t, {
    seed: false,
    prepare: async (dataDir) => {
      await seedImages(dataDir, IMAGES);
      await seedDatabase(dataDir, FILES);
    },
  });
  await until(t, () => isJudged(site));
  const { page, go, faults } = await visit(t, browser, site);
  const calm = (t: Test): void => {
    t.strictSame(faults, [], 'no violation, no error, no dialog, no other origin');
  };

  await t.test('the list: by risk, with what is not known, and its filters', async (t) => {
    await page.getByRole('link', { name: 'Vulnerabilities', exact: true }).first().click();
    await page.getByRole('heading', { level: 1, name: 'Vulnerabilities' }).waitFor();
    const table = page.getByRole('table', { name: 'Vulnerabilities by risk' });
    await table.waitFor();
    t.equal(await table.getByRole('row').count(), 5);
    const first = table.getByRole('row').nth(1);
    t.match(await first.innerText(), /CVE-2026-1001[\s\S]*exploited \(KEV\)[\s\S]*critical[\s\S]*97 %[\s\S]*available/);
    t.match(await first.getByRole('cell').allInnerTexts(), [
      'critical',
      /\d/,
      '97 %',
      'available',
      'openssl',
      '2',
      '1',
      '2',
    ]);
    t.match(await table.getByRole('row', { name: /CVE-2026-1003/ }).innerText(), /0\.04 %\s+none known/);
    t.match(await table.getByRole('row', { name: /CVE-2026-1004/ }).innerText(), /unknown/, 'not rated is not mild');
    await page
      .getByText('Completely known: 2 of 4 running images; vulnerabilities of the others may be missing.')
      .waitFor();
    await page.getByRole('button', { name: 'critical' }).click();
    await page.getByText('3 vulnerabilities', { exact: true }).waitFor();
    t.match(page.url(), /severity=critical$/);
    await page.getByRole('button', { name: 'with a fix' }).click();
    await page.getByText('2 vulnerabilities', { exact: true }).waitFor();
    await page.getByRole('searchbox').fill('zlib');
    await page.getByText('No known vulnerability of a running container matches these filters.').waitFor();
    await page.getByText('this does not mean that there is none').waitFor();
    await go('#/vulnerabilities?text=ZLIB');
    await page.getByText('1 vulnerability', { exact: true }).waitFor();
    calm(t);
  });

  await t.test('one vulnerability: rating, packages, images, containers, nodes', async (t) => {
    await go('#/vulnerabilities?text=1001');
    await page.getByRole('link', { name: 'CVE-2026-1001' }).click();
    await page.getByRole('heading', { level: 1, name: 'CVE-2026-1001' }).waitFor();
    const rating = page.getByRole('region', { name: 'Rating' });
    await rating.waitFor();
    const text = await rating.innerText();
    t.match(text, /9\.8 \(3\.1\) CVSS:3\.1\/AV:N/);
    t.match(text, /97 % within 30 days/);
    t.match(text, /known since 2026-08-05 used by ransomware/);
    t.ok(text.includes(HOSTILE.markup), 'the summary of the advisory is text');
    t.match(
      await page.getByRole('table', { name: 'Affected package versions' }).getByRole('row').nth(1).innerText(),
      /openssl\s+deb\s+3\.0\.1\s+3\.0\.2/,
    );
    t.match(await page.getByRole('table', { name: 'Affected images that run' }).innerText(), /shop:1/);
    const containers = page.getByRole('table', { name: 'Affected running containers' });
    t.equal(await containers.getByRole('row').count(), 3);
    t.equal(await page.getByRole('table', { name: 'Affected nodes' }).getByRole('row').count(), 3);
    await go('#/vulnerabilities/CVE-2020-1');
    await page.getByText('No package of the fleet is known to have this vulnerability.').waitFor();
    await page.getByText('this does not mean that there is none').waitFor();
    // The page asked for what does not exist: the browser reports the answer 404.
    t.equal(faults.length, 1);
    t.match(faults[0] ?? '', /404/);
    (faults as string[]).length = 0;
  });

  await t.test('upgrades: what each removes', async (t) => {
    await go('#/fixes');
    const table = page.getByRole('table', { name: 'Upgrades by removed risk' });
    await table.waitFor();
    t.match(
      await table.getByRole('row').nth(1).innerText(),
      /openssl\s+3\.0\.1\s+3\.0\.2\s+shop:1\s+2 vulnerabilities, 1 exploited \(KEV\): CVE-2026-1001, CVE-2026-1002/,
    );
    calm(t);
  });

  await t.test('images, and what is known of each', async (t) => {
    await go('#/images');
    const table = page.getByRole('table', { name: 'Images by risk' });
    await table.waitFor();
    const row = async (name: string): Promise<string> =>
      (await table.getByRole('row', { name }).innerText()).replaceAll(/\s+/g, ' ');
    t.match(await row('shop:1'), /shop:1 completely \d+\.\d 3 \(3 critical, 1 exploited\) 2 2 2 2/);
    t.match(await row('clean:1'), /clean:1 completely 0\.0 0 0 1 1 1/);
    t.match(await row('tool:1'), /tool:1 partly [\d.]+ at least 1 1 1 1 1/);
    t.match(await row('closed:1'), /closed:1 unknown – not known – – 1 1/, 'no number where nothing is known');

    t.equal(await table.getByRole('row', { name: 'spare:2' }).count(), 0, 'images at rest are shown on request');
    await page.getByRole('button', { name: 'at rest' }).click();
    await table.getByRole('row', { name: 'spare:2' }).waitFor();
    t.match(await row('spare:2'), /spare:2 ?at rest on 1 node completely .* 0 0$/);

    await table.getByRole('link', { name: 'shop:1' }).click();
    const list = page.getByRole('table', { name: 'Vulnerabilities of this image by risk' });
    await list.waitFor();
    t.match(
      (await list.getByRole('row').nth(1).innerText()).replaceAll(/\s+/g, ' '),
      /CVE-2026-1001 exploited \(KEV\) critical [\d.]+ 97 % openssl 3\.0\.1 3\.0\.2/,
    );
    t.match(await list.getByRole('row', { name: /CVE-2026-1003/ }).innerText(), /no fix known/);
    await page.getByRole('table', { name: 'Upgrades of packages in this image' }).waitFor();
    t.equal(
      await page
        .getByRole('table', { name: /^Running containers/ })
        .getByRole('row')
        .count(),
      3,
    );
    await page.getByRole('region', { name: 'Packages' }).getByRole('searchbox').fill('zl status');
    await page
      .getByRole('table', { name: 'Packages of this image' })
      .getByRole('row')
      .nth(2)
      .waitFor({ state: 'detached' });
    t.match(await page.getByRole('table', { name: 'Packages of this image' }).innerText(), /zlib/);

    await go(`#/images/${encodeURIComponent(imageIdOf('tool'))}`);
    const gaps = page.getByRole('table', { name: 'Parts of this image that could not be read' });
    await gaps.waitFor();
    t.ok((await gaps.innerText()).includes(GAP.path));
    await page.getByText('at least 1 vulnerability').waitFor();

    await go(`#/images/${encodeURIComponent(imageIdOf('closed'))}`);
    await page.getByText('Not known: the layers are not readable.').waitFor();
    await page.getByText('Its packages are not known.').waitFor();

    await go(`#/images/${encodeURIComponent(imageIdOf('clean'))}`);
    await page.getByText('No known vulnerability in its packages.').waitFor();
    calm(t);
  });

  await t.test('axe finds nothing, light and dark, wide and narrow', async (t) => {
    const visitor = await openVisitor(browser, site, { bypassCSP: true, reducedMotion: 'reduce' });
    t.teardown(() => visitor.close());
    await enter(visitor, site);
    for (const [hash, there] of [
      ['#/vulnerabilities', 'Vulnerabilities by risk'],
      ['#/vulnerabilities/CVE-2026-1001', 'Affected running containers'],
      ['#/fixes', 'Upgrades by removed risk'],
      [`#/images/${encodeURIComponent(imageIdOf('tool'))}`, 'Parts of this image that could not be read'],
    ] as const) {
      await visitor.go(hash);
      await visitor.page.getByRole('table', { name: there }).waitFor();
      await lookAround(t, visitor.page, hash);
    }
  });
});

void t.test('a database that is missing or old, and a fleet that is known', { skip: noChromium }, async (t) => {
  const browser = await launchChromium();
  t.teardown(() => browser.close());
  const clean = IMAGES.find(({ name }) => name === 'clean');
  if (clean === undefined) throw new Error('no such image');
  const open = async (t: Test, prepare: (dataDir: string) => Promise<void>): Promise<Visitor> => {
    const site = await startSite(t, {
      seed: false,
      prepare: async (dataDir) => {
        await seedImages(dataDir, [clean]);
        await prepare(dataDir);
      },
    });
    await until(t, () => isJudged(site));
    return visit(t, browser, site);
  };

  await t.test('missing', async (t) => {
    const { page, go, faults } = await open(t, (dataDir) =>
      Promise.resolve(void mkdirSync(dataDir, { recursive: true })),
    );
    for (const hash of ['#/vulnerabilities', '#/fixes', '#/images']) {
      await go(hash);
      await page.getByText('The collector has no usable vulnerability database.').waitFor();
      await page
        .getByText('Completely known: 0 of 1 running images; vulnerabilities of the others may be missing.')
        .waitFor();
    }
    await go('#/vulnerabilities');
    await page.getByText('this does not mean that there is none').waitFor();
    await go(`#/images/${encodeURIComponent(imageIdOf('clean'))}`);
    await page.getByText('Not known: vulnerabilities are not known').waitFor();
    t.strictSame(faults, []);
  });

  await t.test('old', async (t) => {
    const { page, go } = await open(t, (dataDir) => seedDatabase(dataDir, FILES, Date.now() - 30 * DAY_MS));
    await go('#/vulnerabilities');
    await page.getByText('The vulnerability database is not current.').waitFor();
    await page.getByText('It was built 30 d ago.').waitFor();
    await page.getByText('this does not mean that there is none').waitFor();
  });

  await t.test('everything is known: an empty list says so', async (t) => {
    const { page, go } = await open(t, (dataDir) => seedDatabase(dataDir, FILES));
    await go('#/vulnerabilities');
    await page.getByText('No vulnerability of a running container is known.', { exact: true }).waitFor();
    await page.getByText('Completely known: 1 of 1 running images.').waitFor();
  });
});
