import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openSqliteStore } from '../../../collector/store/sqlite.ts';
import { launchChromium, noChromium } from '../../component/chromium.ts';
import { commit, finding, nodeRow } from '../../collector/store/fleet.ts';
import { HOSTILE } from '../seed.ts';
import { fetchApi, postApi, startSite } from '../site.ts';
import type { Site } from '../site.ts';
import { lookAround } from './look.ts';
import { enter, openVisitor } from './visitor.ts';

t.setTimeout(230_000);

const SECRET = 'ab12-very-secret';
const NODE = 'id-web-1';

/** Three detections on one node, an agent that is silent, and two events that a sink rejected. */
async function seed(dataDir: string): Promise<void> {
  const store = await openSqliteStore({ path: join(dataDir, 'store.sqlite') });
  const nowMs = Date.now();
  const atMs = nowMs - 2 * 3_600_000;
  const at = { nodeId: NODE, observedAtMs: atMs, receivedAtMs: atMs };
  await store.putNodes([
    nodeRow({ id: NODE, name: 'web-1', connected: false }),
    nodeRow({ id: 'id-db', name: `db${HOSTILE.bidi}`, connected: false }),
  ]);
  await store.commit([commit({ ...at, sequence: 1, snapshot: true, put: [finding({ on: 'old' })] })]);
  const evil = finding({
    subject: { kind: 'container', id: 'evil', name: HOSTILE.markup },
    reason: `privileged ${HOSTILE.escape}`,
    evidence: [{ source: '/proc/7/status', seen: `CapEff ${HOSTILE.script}`, expected: 'no CAP_SYS_ADMIN' }],
  });
  const put = [evil, finding({ on: 'shop', check: 'container.runtime-socket' }), finding({ on: 'shop' })];
  await store.commit([commit({ ...at, sequence: 2, put })]);
  await store.sweepDetections([{ nodeId: 'id-db', nodeName: `db${HOSTILE.bidi}`, sinceMs: atMs }], nowMs);
  const events = await store.outbox(0, 2);
  await store.deadLetters.add({ sink: 'syslog', events, reason: `code 6 ${HOSTILE.markup}`, atMs: nowMs });
  await store.close();
}

async function viewerLink(site: Site): Promise<string> {
  const { token } = (await postApi(site, '/v1/tokens', { role: 'viewer', name: 'reader' })) as { token: string };
  const { code } = (await postApi({ ...site, token }, '/v1/console/links', {})) as { code: string };
  return `${site.url}/#code=${code}`;
}

void t.test('detections and sinks, in a real browser', { skip: noChromium }, async (t) => {
  const browser = await launchChromium();
  t.teardown(() => browser.close());
  const site = await startSite(t, {
    seed: false,
    prepare: async (dataDir) => {
      writeFileSync(join(dataDir, 'splunk-token'), SECRET, { mode: 0o600 });
      await seed(dataDir);
    },
    settings: (dataDir) => ({
      'sink-ndjson': join(dataDir, 'events.ndjson'),
      // Nothing listens on port 1.
      'sink-syslog': 'tcp://127.0.0.1:1',
      'sink-splunk': 'https://127.0.0.1:1/services/collector',
      'sink-splunk-token': join(dataDir, 'splunk-token'),
    }),
  });
  const visitor = await openVisitor(browser, site, { reducedMotion: 'reduce' });
  t.teardown(() => visitor.close());
  const { page, go, faults } = visitor;
  await enter(visitor, { ...site, link: () => viewerLink(site) });
  const textOf = async (name: string): Promise<string> =>
    (await page.getByRole('table', { name }).innerText()).replaceAll(/\s+/g, ' ');

  await t.test('detections: newest first, filters in the URL, evidence, technique', async (t) => {
    await page.getByRole('link', { name: 'Detections', exact: true }).click();
    const table = page.getByRole('table', { name: 'Detections, newest first' });
    await table.waitFor();
    t.equal(await table.getByRole('row').count(), 5);
    t.match(await table.getByRole('row').nth(1).innerText(), /Agent is silent[^]*T1685/);
    await page.getByLabel('What').selectOption('privileged-container');
    await page.getByText('2 detections', { exact: true }).waitFor();
    t.match(page.url(), /#\/detections\?rule=privileged-container$/);
    const technique = table.getByRole('link', { name: 'T1611' }).first();
    t.equal(await technique.getAttribute('href'), 'https://attack.mitre.org/techniques/T1611/');
    t.match(await technique.getAttribute('rel'), /noopener/);
    await page.getByRole('button', { name: '1h' }).click();
    await page.getByText('No detection matches these filters.').waitFor();
    await go(`#/detections?node=${NODE}&since=24h`);
    await page.getByText('3 detections', { exact: true }).waitFor();
    const evil = table.getByRole('row').filter({ hasText: HOSTILE.markup });
    await evil.getByRole('link', { name: 'Privileged container started' }).click();
    await page.getByRole('heading', { level: 1, name: 'Privileged container started' }).waitFor();
    t.match(await textOf('Evidence: what is new'), `/proc/7/status CapEff ${HOSTILE.script} no CAP_SYS_ADMIN`);
    const facts = await page.getByRole('region', { name: 'Detection' }).innerText();
    t.match(facts, /T1611 Escape to Host, for Privilege Escalation/);
    await page.getByRole('link', { name: 'Finding as it is now' }).click();
    await page.locator('.detail .history').waitFor();
    t.match(page.url(), /#\/findings\/[0-9a-f]+\?of=/);
    await go('#/detections/none-1-1');
    await page.getByText('No detection has this id.').waitFor();
  });

  await t.test('sinks: what waits and since when, the rate, the last error; nothing secret', async (t) => {
    await go('#/sinks');
    const table = page.getByRole('table', { name: 'Sinks and their delivery status' });
    const row = (name: string) => table.getByRole('row').filter({ has: page.getByRole('rowheader', { name }) });
    await row('syslog').getByText('retrying').waitFor();
    t.match(
      (await row('syslog').innerText()).replaceAll(/\s+/g, ' '),
      /retrying \d+ events oldest .*h ago 0\.0\/s 0 2 dead letters .*ECONNREFUSED/,
    );
    await row('ndjson')
      .getByText(/^0 events/)
      .waitFor();
    await page.getByText('2 of 3 sinks not ok').waitFor();
    t.notMatch(await page.content(), SECRET);
    await row('syslog').getByRole('link', { name: '2 dead letters' }).click();
    await page.getByRole('heading', { level: 1, name: 'Dead letters' }).waitFor();
    t.match(page.url(), /#\/dead-letters\?sink=syslog$/);
    t.match(await textOf('Dead letters, newest first'), `code 6 ${HOSTILE.markup} rejected`);
    await page.getByRole('table').getByRole('link').first().click();
    await page.getByRole('region', { name: 'Rejection' }).waitFor();
    const event = await page.getByRole('region', { name: 'Value' }).innerText();
    const { deadLetters } = (await (await fetchApi(site, '/v1/dead-letters')).json()) as {
      deadLetters: readonly { readonly eventUid: string }[];
    };
    t.ok(event.includes(`"uid": "${deadLetters[0]?.eventUid ?? '-'}"`));
    t.notMatch(await page.content(), SECRET);
    await go('#/dead-letters/99');
    await page.getByText('No dead letter has this id').waitFor();
    await page.getByRole('link', { name: 'Dead letters', exact: true }).click();
    await page.getByRole('combobox', { name: /^Sink/ }).selectOption('ndjson');
    await page.getByText('No dead letters of this sink.').waitFor();
  });
  // A browser logs each answer that is no success.
  const expected = faults.filter((fault) => !fault.includes('404'));
  t.strictSame(expected, [], 'no violation, no error, no dialog, no other origin');

  await t.test('axe finds nothing, wide and narrow', async (t) => {
    const looking = await openVisitor(browser, site, { bypassCSP: true, reducedMotion: 'reduce' });
    t.teardown(() => looking.close());
    await enter(looking, site);
    const { detections } = (await (await fetchApi(site, '/v1/detections')).json()) as {
      detections: readonly { readonly id: string }[];
    };
    for (const hash of [
      '#/detections',
      `#/detections/${detections.at(-1)?.id ?? ''}`,
      '#/sinks',
      '#/dead-letters',
      '#/dead-letters/1',
    ]) {
      await looking.go(hash);
      await looking.page.locator('.data-table, .facts').first().waitFor();
      await lookAround(t, looking.page, hash);
    }
  });
});
