import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { gzipSync } from 'node:zlib';
import type { Page } from 'playwright-core';
import t from 'tap';
import type { Test } from 'tap';
import { launchChromium, noChromium } from '../../component/chromium.ts';
import { HOSTILE } from '../seed.ts';
import { startSite } from '../site.ts';
import type { Site } from '../site.ts';
import { enter, openVisitor, overflow } from './visitor.ts';
import { openWay } from './way.ts';

t.setTimeout(115_000);

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Every view, with what must be there before it is looked at. */
const VIEWS = (nodeId: string): readonly (readonly [string, string])[] => [
  ['#/', '.plot canvas'],
  [`#/nodes/${nodeId}`, '.card-containers .note, .settings'],
  ['#/nodes/seeded-0', '.card-containers table'],
  ['#/findings', '.row-link'],
  ['#/checks/container.privileged', '.row-link'],
  ['#/query?expression=kernel.lockdown', 'textarea'],
  ['#/nowhere', '.note'],
];

void t.test('looks and works well for everybody', { skip: noChromium }, async (t) => {
  const [site, browser] = await Promise.all([startSite(t, { seed: true }), launchChromium()]);
  t.teardown(() => browser.close());
  const { nodeId } = await site.startAgent({ 'docker-host': 'unix:///nowhere/docker.sock' });
  const live = await site.startNode('live-1');

  await t.test('axe finds nothing, light and dark, wide and narrow', async (t) => {
    // axe itself does what the policy forbids; that the page does not is looked at without it.
    for (const [colorScheme, width, height] of [
      ['light', 1280, 800],
      ['dark', 390, 844],
    ] as const) {
      const viewport = { width, height };
      const visitor = await openVisitor(browser, site, {
        colorScheme,
        viewport,
        bypassCSP: true,
        reducedMotion: 'reduce',
      });
      const { page, go } = visitor;
      await page.goto(site.url);
      await page.getByLabel('Operator token').waitFor();
      await look(t, page, `sign-in ${colorScheme}`);
      await enter(visitor, site);
      for (const [hash, there] of VIEWS(nodeId)) {
        await go(hash);
        await page.locator(there).first().waitFor();
        await look(t, page, `${hash} ${colorScheme}`);
      }
      await go('#/findings?verdict=fail');
      await page.locator('.row-link').first().click();
      await page.locator('.detail .history').waitFor();
      await look(t, page, `a finding ${colorScheme}`);
      await go('#/query');
      await page.getByLabel('Expression').fill('kernel.lockdown');
      await page.keyboard.press('Control+Enter');
      await page.locator('.answer').first().waitFor();
      await page.getByLabel('Expression').pressSequentially(' == "');
      await page.getByRole('option').first().waitFor();
      await look(t, page, `completion and answers ${colorScheme}`);
      await go('#/');
      await page.getByRole('button', { name: 'Show as a table' }).click();
      await page.getByRole('table', { name: /Open failures/ }).waitFor();
      await look(t, page, `the plot as a table ${colorScheme}`);
      await visitor.close();
    }
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

async function look(t: Test, page: Page, what: string): Promise<void> {
  t.ok((await overflow(page)) <= 0, `${what}: nothing is wider than the window`);
  await page.evaluate(AXE);
  const found = await page.evaluate<
    readonly string[]
  >(`axe.run(document, { resultTypes: ['violations'] }).then((result) =>
    result.violations.map(({ id, nodes }) => id + ': ' + nodes.slice(0, 3).map(({ html, any }) => html.slice(0, 200) + ' ' + (any[0]?.message ?? '')).join(' | ')))`);
  t.strictSame(found, [], `${what}: axe`);
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
