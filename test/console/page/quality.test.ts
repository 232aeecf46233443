import { gzipSync } from 'node:zlib';
import type { Page } from 'playwright-core';
import t from 'tap';
import type { Test } from 'tap';
import { CHECKS } from '../../../posture/check/registry.ts';
import { launchChromium, noChromium } from '../../component/chromium.ts';
import { testDocker } from '../../component/docker.ts';
import type { TestDocker } from '../../component/docker.ts';
import { HOSTILE } from '../seed.ts';
import { startSite } from '../site.ts';
import type { Site } from '../site.ts';
import { lookAround } from './look.ts';
import { enter, openVisitor } from './visitor.ts';
import type { Visitor } from './visitor.ts';
import { openWay } from './way.ts';

t.setTimeout(230_000);

/** Every view, with what must be there before it is looked at. */
const VIEWS = (nodeId: string, containers: string): readonly (readonly [string, string])[] => [
  ['#/', '.plot canvas'],
  [`#/nodes/${nodeId}`, containers],
  ['#/nodes/seeded-0', '.card-containers table'],
  ['#/findings', '.row-link'],
  ['#/findings?group=container', '.groups table'],
  ['#/history', '.change-group'],
  ['#/checks', '.checks'],
  ['#/benchmarks', '.data-table'],
  ['#/benchmarks/cis-docker-1.8.0', '.data-table'],
  ['#/checks/container.privileged', '.row-link'],
  ['#/query?expression=kernel.lockdown', 'textarea'],
  ['#/nowhere', '.note'],
];

void t.test('looks and works well for everybody', { skip: noChromium }, async (t) => {
  const [site, browser] = await Promise.all([startSite(t, { seed: true }), launchChromium()]);
  t.teardown(() => browser.close());
  const docker = testDocker();
  if ('docker' in docker) await startContainers(t, docker.docker);
  const endpoint = 'docker' in docker ? docker.docker.endpoint : 'unix:///nowhere/docker.sock';
  const { nodeId } = await site.startAgent({ 'docker-host': endpoint });
  const live = await site.startNode('live-1');

  await t.test('axe finds nothing, light and dark, wide and narrow', async (t) => {
    const visitor = await openVisitor(browser, site, { bypassCSP: true, reducedMotion: 'reduce' });
    const { page, go } = visitor;
    await page.goto(site.url);
    await page.getByLabel('Operator token').waitFor();
    await lookAround(t, page, 'sign-in');
    await enter(visitor, site);
    for (const [hash, there] of VIEWS(
      nodeId,
      'docker' in docker ? '.settings .differs, .setting-differs' : '.card-containers .note-empty',
    )) {
      await go(hash);
      await page.locator(there).first().waitFor();
      if (hash === '#/') await page.locator('.issues').waitFor();
      await lookAround(t, page, hash);
    }
    if ('docker' in docker) {
      const link = page.getByRole('link', { name: 'This image on all nodes' });
      await openContainer(visitor, nodeId, 'plimsoll-test-axe-priv');
      await lookAround(t, page, 'a container');
      await link.click();
      await page.getByRole('table', { name: 'Build steps, oldest first' }).waitFor();
      await lookAround(t, page, 'an image');
    }
    await go('#/nodes/seeded-0');
    await page.getByRole('button', { name: 'Remove this node' }).click();
    await page.getByRole('alertdialog').waitFor();
    await lookAround(t, page, 'the question before a node is removed');
    await page.keyboard.press('Escape');
    await go('#/findings?verdict=fail');
    await page.locator('.row-link').first().click();
    await page.locator('.detail .history').waitFor();
    await lookAround(t, page, 'a finding');
    await go('#/query');
    await page.getByLabel('Expression').fill('kernel.lockdown');
    await page.keyboard.press('Control+Enter');
    await page.locator('.answer').first().waitFor();
    await page.getByLabel('Expression').pressSequentially(' == "');
    await page.getByRole('option').first().waitFor();
    await lookAround(t, page, 'completion and answers');
    await go('#/');
    await page.getByRole('button', { name: 'Show as a table' }).click();
    await page.getByRole('table', { name: /Open failures/ }).waitFor();
    await lookAround(t, page, 'the plot as a table');
    await visitor.close();
  });

  await t.test('the theme can be chosen, and stays', async (t) => {
    const visitor = await openVisitor(browser, site, { colorScheme: 'light' });
    const { page } = visitor;
    await enter(visitor, site);
    const ground = () => page.evaluate<string>('getComputedStyle(document.documentElement).backgroundColor');
    const light = await ground();
    await page.getByRole('button', { name: /Theme: system/ }).click();
    await page.getByRole('button', { name: /Theme: light/ }).click();
    await page.getByRole('button', { name: /Theme: dark/ }).waitFor();
    const dark = await ground();
    t.not(dark, light);
    await page.reload();
    await page.getByRole('button', { name: /Theme: dark/ }).waitFor();
    t.equal(await ground(), dark);
    t.strictSame(visitor.faults, []);
    await visitor.close();
  });

  await t.test('by keyboard: past the header, and through the places', async (t) => {
    const visitor = await openVisitor(browser, site);
    const { page } = visitor;
    await enter(visitor, site);
    await page.keyboard.press('Tab');
    t.equal(await page.evaluate<string>('document.activeElement.textContent'), 'Skip to the content');
    await page.keyboard.press('Enter');
    t.equal(await page.evaluate<string>('document.activeElement.id'), 'main');
    await page.keyboard.press('Tab');
    t.ok(await page.evaluate<boolean>(`document.activeElement.closest('main') !== null`));
    const outline = await page.evaluate<string>('getComputedStyle(document.activeElement).outlineStyle');
    t.equal(outline, 'solid', 'the focus can be seen');
    await page.getByRole('link', { name: 'Findings', exact: true }).focus();
    await page.keyboard.press('Enter');
    await page.locator('h1:focus', { hasText: 'Findings' }).waitFor();
    t.equal(await page.title(), 'Findings · Plimsoll');
    t.strictSame(visitor.faults, []);
    await visitor.close();
  });

  await t.test('by keyboard: the palette, the search, the rows, the help; and rows that take less room', async (t) => {
    const visitor = await openVisitor(browser, site, { bypassCSP: true, reducedMotion: 'reduce' });
    const { page, go } = visitor;
    await enter(visitor, site);
    await page.keyboard.press('Control+k');
    const palette = page.getByRole('combobox', { name: /^Go to/ });
    await palette.waitFor();
    await lookAround(t, page, 'the palette');
    await palette.fill('shop-0-1');
    await page
      .getByRole('option', { name: /container shop-0-1/ })
      .first()
      .waitFor();
    await palette.fill('check container.privileged');
    await page.getByRole('option', { name: /^check container.privileged / }).waitFor();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: titleOf('container.privileged') }).waitFor();
    t.equal(await page.locator('dialog').count(), 0, 'it closes');
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor();
    await lookAround(t, page, 'the keys');
    await page.keyboard.press('Escape');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor({ state: 'detached' });
    await go('#/findings?verdict=fail');
    await page.locator('.row-link').first().waitFor();
    await page.keyboard.press('j');
    await page.locator('[data-row="0"]:focus').waitFor();
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    await page.keyboard.press('k');
    await page.locator('[data-row="1"]:focus').waitFor();
    await page.keyboard.press('/');
    t.equal(await page.evaluate<string>('document.activeElement.type'), 'search');
    await page.keyboard.type('j?/');
    t.equal(await page.getByRole('searchbox').inputValue(), 'j?/', 'letters belong to the field');
    await page.getByRole('searchbox').fill('');
    await page.waitForURL(/verdict=fail$/);
    const height = () =>
      page
        .locator('.row')
        .first()
        .evaluate((row: { readonly clientHeight: number }) => row.clientHeight);
    const before = await height();
    await page.getByRole('button', { name: /Density: comfortable/ }).click();
    await page.getByRole('button', { name: /Density: compact/ }).waitFor();
    t.ok((await height()) * 1.5 < before, 'rows are lower');
    await lookAround(t, page, 'compact findings');
    await page.reload();
    await page.getByRole('button', { name: /Density: compact/ }).waitFor();
    await visitor.close();
  });

  await t.test('a connection that is lost comes back without a gap', async (t) => {
    const way = await openWay(t, site.url);
    const visitor = await openVisitor(browser, { ...site, url: way.url });
    const { page } = visitor;
    await page.goto((await site.link()).replace(site.url, way.url));
    await page.getByText('live', { exact: true }).waitFor();
    const changes = page.getByRole('region', { name: 'What just changed' });
    live.say({ before: 'Seccomp: 0' });
    await changes.getByText('before').first().waitFor();
    way.close();
    await page.getByText('reconnecting').waitFor();
    live.say({ before: 'Seccomp: 0', meanwhile: HOSTILE.markup });
    way.open();
    await page.getByText('live', { exact: true }).waitFor();
    await changes.getByText('meanwhile').first().waitFor();
    way.close();
    await page.getByText('reconnecting').waitFor();
    await page.evaluate(`location.hash = '#/findings?verdict=fail'`);
    await page.getByText('not read', { exact: true }).waitFor();
    t.equal(await page.getByText(/^0 matches/).count(), 0, 'no count that was not read');
    way.open();
    await page.getByText('live', { exact: true }).waitFor();
    await page.getByText(/^\d,\d{3} matches$/).waitFor();
    t.equal(await page.getByRole('alert').count(), 0, 'what failed meanwhile was read again');
    t.strictSame(
      visitor.faults.filter((fault) => !fault.includes('net::ERR_')),
      [],
    );
    await visitor.close();
  });

  await t.test('the first sight of ten thousand findings', async (t) => {
    const visitor = await openVisitor(browser, site);
    await enter(visitor, site);
    await measure(t, visitor.page, site);
    await visitor.close();
  });
});

function titleOf(check: string): string {
  return CHECKS.find(({ id }) => id === check)?.title ?? '';
}

/** Goes to the page of a container from the page of its node. */
async function openContainer({ page, go }: Visitor, nodeId: string, name: string): Promise<void> {
  await go(`#/nodes/${nodeId}`);
  const item = page.getByRole('listitem').filter({ has: page.getByRole('button', { name }) });
  await item.waitFor();
  const link = item.getByRole('link', { name: /^Mounts, ports/ });
  if (!(await link.isVisible())) await item.getByRole('button').first().click();
  await link.click();
  await page.getByRole('heading', { level: 1, name }).waitFor();
  await page.getByRole('table', { name: /^Settings of/ }).waitFor();
  await page.locator('.row-link').first().waitFor();
  await page.locator('.change').first().waitFor();
}

/** One that is as it was declared, one that holds more, and one that was declared to hold everything. */
async function startContainers(t: Test, docker: TestDocker): Promise<void> {
  const names = ['axe-plain', 'axe-odd', 'axe-priv'];
  t.teardown(() => docker.remove(...names));
  // What a run that was killed left behind.
  await docker.remove(...names).catch(() => undefined);
  await docker.start('axe-plain', '--read-only', '--user', '1000', '--cap-drop', 'ALL');
  await docker.start('axe-odd');
  await docker.docker('exec', '-d', '--privileged', 'plimsoll-test-axe-odd', '/bin/sleep', '3600');
  await docker.start('axe-priv', '--privileged', '--pid', 'host');
}

/** Prints what a reload of the list costs, and holds the best of five to one second: others may use the machine. */
async function measure(t: Test, page: Page, site: Site): Promise<void> {
  await page.addInitScript(`new MutationObserver((_, observer) => {
    if (document.querySelector('.row-link') === null) return;
    observer.disconnect();
    requestAnimationFrame(() => setTimeout(() => { globalThis.rowsAtMs = performance.now(); }));
  }).observe(document, { childList: true, subtree: true })`);
  const paints: number[] = [];
  const rows: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    await page.goto('about:blank');
    await page.goto(`${site.url}/#/findings`);
    await page.getByText(/^1\d,\d{3} matches$/).waitFor();
    paints.push(await page.evaluate<number>(`performance.getEntriesByName('first-contentful-paint')[0].startTime`));
    rows.push(await page.evaluate<number>('globalThis.rowsAtMs'));
  }
  const requests = await page.evaluate<readonly string[]>(
    `performance.getEntriesByType('resource').map(({ name }) => name)`,
  );
  const script = requests.find((name) => /\/assets\/console-\w+\.js$/.test(name)) ?? '';
  const style = requests.find((name) => /\/assets\/console-\w+\.css$/.test(name)) ?? '';
  const sizes = await Promise.all([script, style].map(async (url) => gzipSync(await (await fetch(url)).text()).length));
  const list = (values: readonly number[]): string => values.map((ms) => String(Math.round(ms))).join(', ');
  t.comment(
    `first contentful paint ${list(paints)} ms; first rows of ${String(site.seeded)} findings ${list(rows)} ms`,
  );
  t.comment(
    `gzip: script ${String(sizes[0])} bytes, style ${String(sizes[1])} bytes; ${String(requests.length)} requests`,
  );
  t.ok(Math.min(...paints) <= 1000, 'first contentful paint');
  t.ok(Math.min(...rows) <= 1000, 'first rows');
  t.ok(requests.length <= 8, `few requests: ${requests.join(' ')}`);
}
