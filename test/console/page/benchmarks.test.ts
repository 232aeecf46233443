import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { CHECKS } from '../../../posture/check/registry.ts';
import { launchChromium, noChromium } from '../../component/chromium.ts';
import { HOSTILE } from '../seed.ts';
import { fetchApi, startSite } from '../site.ts';
import { lookAround } from './look.ts';
import { enter, openVisitor } from './visitor.ts';

t.setTimeout(120_000);

const BENCHMARK = 'cis-docker-1.8.0';

const day = (offset: number): string => new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10);

const OF_CONTAINERS = CHECKS.filter(({ judges }) => judges === 'container').map(({ id }) => id);

/** A waiver of one kind each: what people must tell apart. */
const WAIVERS = (
  [
    ['fine', { checks: ['container.host-pid'] }, 200],
    ['soon', { checks: ['container.privileged'], nodes: ['seeded-0'] }, 5],
    ['late', { checks: ['container.host-ipc'] }, -3],
    ['idle', { checks: ['container.privileged'], subjects: ['no-such-container'] }, 200],
    ['greedy', { checks: OF_CONTAINERS, nodes: ['seeded-1', 'seeded-2', 'seeded-3'] }, 200],
  ] as const
).map(([name, match, days]) => ({
  apiVersion: 'plimsoll.dev/v1',
  kind: 'Waiver',
  metadata: { name },
  spec: { match, reason: `because ${HOSTILE.markup}`, owner: 'shop team', expires: day(days) },
}));

void t.test('benchmarks and waivers, in a real browser', { skip: noChromium }, async (t) => {
  const options: Parameters<typeof startSite>[1] = {
    seed: true,
    prepare: (dataDir) => {
      writeFileSync(join(dataDir, 'waivers.yaml'), WAIVERS.map((one) => JSON.stringify(one)).join('\n---\n'), {
        mode: 0o600,
      });
      return Promise.resolve();
    },
    settings: (dataDir) => ({ waivers: join(dataDir, 'waivers.yaml') }),
  };
  const [site, browser] = await Promise.all([startSite(t, options), launchChromium()]);
  t.teardown(() => browser.close());
  const visitor = await openVisitor(browser, site, { reducedMotion: 'reduce' });
  t.teardown(() => visitor.close());
  await enter(visitor, site);
  const { page, go, faults } = visitor;
  const results = (await (await fetchApi(site, `/v1/benchmarks/${BENCHMARK}/results`)).json()) as {
    readonly score: { readonly percent: number };
    readonly controls: readonly { readonly id: string; readonly findings: { readonly fail: number } }[];
  };
  await go('#/checks');
  await page.getByRole('link', { name: 'Benchmarks', exact: true }).click();
  await page.getByRole('link', { name: 'CIS Docker Benchmark 1.8.0' }).click();
  await page.getByRole('heading', { level: 1, name: 'CIS Docker Benchmark 1.8.0' }).waitFor();
  const score = page.getByRole('region', { name: 'Score', exact: true });
  await score.getByText(`${String(results.score.percent)} %`).waitFor();
  const controls = page.getByRole('table', { name: 'Controls' });
  await page.getByRole('button', { name: /Show all/ }).click();
  t.equal(await controls.getByRole('row').count(), results.controls.length + 1);
  const failed = results.controls.find(({ findings }) => findings.fail > 0);
  if (failed === undefined) throw new Error('no control fails');
  const row = controls.getByRole('row').filter({ has: page.getByRole('rowheader', { name: failed.id, exact: true }) });
  await row.getByText('failed', { exact: true }).waitFor();
  await row.getByRole('link', { name: String(failed.findings.fail) }).click();
  await page.getByRole('heading', { level: 1, name: 'Findings' }).waitFor();
  t.match(page.url(), /verdict=fail&check=/);
  await go(`#/benchmarks/${BENCHMARK}`);
  const nodes = page.getByRole('table', { name: 'Score of each node' });
  await nodes.getByRole('rowheader').first().getByRole('link').click();
  await page.getByRole('link', { name: 'the whole fleet' }).waitFor();
  await page
    .getByText(/^\d+ %$/)
    .first()
    .waitFor();
  t.match(page.url(), /#\/benchmarks\/cis-docker-1\.8\.0\?node=./);

  await t.test('waivers: those to decide about first, with what each accepts', async (t) => {
    const matching = async (query: string): Promise<number> =>
      (
        (await (
          await fetchApi(site, `/v1/findings?${query}&verdict=fail&verdict=manual&total=true&limit=1`)
        ).json()) as {
          readonly total: number;
        }
      ).total;
    const counts = [
      await matching('check=container.host-pid'),
      await matching('check=container.privileged&node=seeded-0'),
    ];
    // The collector counts what waivers accept after it has started.
    while ((await matching('state=waived')) < (counts[0] ?? 0)) await delay(100);
    await page.getByRole('link', { name: 'Waivers', exact: true }).click();
    const open = page.getByRole('table', { name: 'To decide about, the first to expire first' });
    const others = page.getByRole('table', { name: 'Other waivers, the first to expire first' });
    await others.waitFor({ timeout: 60_000 });
    const row = async (table: typeof open, name: string): Promise<string> =>
      (await table.getByRole('row', { name: new RegExp(`^${name}\\b`) }).innerText()).replaceAll(/\s+/g, ' ');
    const findings = (number = 0): string => `${new Intl.NumberFormat('en-US').format(number)} findings`;
    t.match(await row(others, 'fine'), `fine active ${findings(counts[0])} ${day(200)} shop team because <img src=x`);
    t.match(await row(open, 'soon'), `soon active, ends in 5 days ${findings(counts[1])} ${day(5)}`);
    t.match(await row(open, 'late'), `late expired findings of its checks ${day(-3)}`);
    t.match(await row(open, 'idle'), 'idle active, accepts nothing 0 findings');
    t.match(await row(open, 'greedy'), /^greedy active, accepts more than half of all [\d,]+ findings/);
    t.match(await row(open, 'greedy'), / \d+ more nodes: seeded-1, seeded-2, seeded-3$/, 'a cell has a bound');
    await open
      .getByRole('row', { name: /^soon\b/ })
      .getByRole('link', { name: /findings/ })
      .click();
    await page.getByRole('heading', { level: 1, name: 'Findings' }).waitFor();
    t.match(page.url(), /#\/findings\?waiver=soon$/);
    const accepted = (await (await fetchApi(site, '/v1/findings?waiver=soon&limit=1000')).json()) as {
      readonly findings: readonly object[];
    };
    t.equal(accepted.findings.length, counts[1], 'the link leads to them');
  });

  await t.test('axe finds nothing, wide and narrow', async (t) => {
    const other = await openVisitor(browser, site, { bypassCSP: true, reducedMotion: 'reduce' });
    t.teardown(() => other.close());
    await enter(other, site);
    await other.go('#/waivers');
    await other.page.getByRole('table', { name: 'Other waivers, the first to expire first' }).waitFor();
    await lookAround(t, other.page, '#/waivers');
    await lookAround(t, other.page, '#/waivers');
  });
  t.strictSame(faults, [], 'no violation, no error, no dialog, no other origin');
});
