import t from 'tap';
import { launchChromium, noChromium } from '../../component/chromium.ts';
import { fetchApi, startSite } from '../site.ts';
import { enter, openVisitor } from './visitor.ts';

t.setTimeout(120_000);

const BENCHMARK = 'cis-docker-1.8.0';

void t.test('benchmarks: controls, what fails, nodes, in a real browser', { skip: noChromium }, async (t) => {
  const [site, browser] = await Promise.all([startSite(t, { seed: true }), launchChromium()]);
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
  t.strictSame(faults, [], 'no violation, no error, no dialog, no other origin');
});
