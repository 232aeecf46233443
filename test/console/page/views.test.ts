import t from 'tap';
import type { Test } from 'tap';
import { launchChromium, noChromium } from '../../component/chromium.ts';
import { CHECKS } from '../../../posture/check/registry.ts';
import { testDocker, TEST_IMAGE } from '../../component/docker.ts';
import { HOSTILE } from '../seed.ts';
import { fetchApi, isKnown, issueCount, startSite } from '../site.ts';
import { signInAndOut } from './sign-in.ts';
import { enter, openVisitor } from './visitor.ts';

t.setTimeout(230_000);

/** The agent shares this process with the collector: what it takes is not its own. */
const UNBOUNDED = { 'agent-memory-budget': '16GiB', 'agent-cpu-budget': '100' };

void t.test('every view, in a real browser, over a real fleet', { skip: noChromium }, async (t) => {
  const docker = testDocker();
  const [site, browser] = await Promise.all([startSite(t, { seed: true }), launchChromium()]);
  t.teardown(() => browser.close());
  if ('docker' in docker) {
    t.teardown(() => docker.docker.remove('console-priv', 'console-odd'));
    // What a run that was killed left behind.
    await docker.docker.remove('console-priv', 'console-odd').catch(() => undefined);
    await docker.docker.start('console-priv', '--privileged');
    await docker.docker.start('console-odd', '--read-only');
    // Somebody starts a process in it that is more powerful than the container was declared to be.
    await docker.docker.docker('exec', '-d', '--privileged', 'plimsoll-test-console-odd', '/bin/sleep', '3600');
  }
  const flags = 'docker' in docker ? { 'docker-host': docker.docker.endpoint } : {};
  const { nodeId } = await site.startAgent({ ...flags, ...UNBOUNDED, 'node-name': 'this-machine' });
  const live = await site.startNode('live-1');

  await t.test('signing in with the token, and out', (t) => signInAndOut(t, browser, site));

  const visitor = await openVisitor(browser, site);
  const { page, go, faults } = visitor;
  await enter(visitor, site);
  t.notOk(page.url().includes('code='), 'the code is gone from the address');
  const calm = (t: Test): void => {
    t.strictSame(faults, [], 'no violation, no error, no dialog, no other origin');
  };

  await t.test('overview: totals, plot and its table, worst, fleet', async (t) => {
    await page.getByText('live', { exact: true }).waitFor();
    await page.locator('.plot canvas').waitFor();
    t.match(await page.locator('.plot').getAttribute('aria-label'), /open failures/);
    await page.getByRole('button', { name: '30 d' }).click();
    await page.getByRole('button', { name: 'Show as a table' }).click();
    const table = page.getByRole('table', { name: /over the last 30 d/ });
    await table.waitFor();
    t.equal(await table.getByRole('row').count(), 13, 'a head and twelve points');
    const fleet = page.getByRole('table', { name: /Nodes with their state/ });
    t.equal(await fleet.getByRole('row').count(), 8, 'five seeded, this machine, and the live one');
    await fleet.getByRole('row', { name: /this-machine connected/ }).waitFor();
    await fleet.getByRole('row', { name: /web-1 offline for 2 h/ }).waitFor();
    const failures = (await (await fetchApi(site, '/v1/summary')).json()) as {
      counts: { failures: { critical: number } };
    };
    await page
      .getByRole('link', { name: `${String(failures.counts.failures.critical)} critical failures open` })
      .waitFor();
    calm(t);
  });

  await t.test('a drag zooms into the plot, and the URL holds the range', async (t) => {
    const range = (): { readonly fromMs: number; readonly toMs: number } => {
      const params = new URLSearchParams(new URL(page.url()).hash.split('?')[1]);
      return { fromMs: Number(params.get('from')), toMs: Number(params.get('to')) };
    };
    const sentence = page.locator('.trend-sentence');
    await go('#/?range=7d');
    await sentence.filter({ hasText: 'last 7 d' }).waitFor();
    await page.getByRole('button', { name: 'Show as a table' }).click();
    await page.locator('.plot canvas').waitFor();
    const area = await page.locator('.plot .u-over').boundingBox();
    if (area === null) throw new Error('the plot is not visible');
    const y = area.y + area.height / 2;
    await page.mouse.move(area.x + area.width * 0.25, y);
    await page.mouse.down();
    await page.mouse.move(area.x + area.width * 0.5, y, { steps: 3 });
    await page.mouse.move(area.x + area.width * 0.75, y, { steps: 3 });
    await page.mouse.up();
    await page.waitForURL(/from=\d+&to=\d+/);
    // The drag covers the middle half of seven days; a pixel of the plot is less than a half percent of them.
    const [weekMs, { fromMs, toMs }] = [7 * 86_400_000, range()];
    t.ok(Math.abs(toMs - fromMs - weekMs / 2) < weekMs * 0.02, `${String(toMs - fromMs)} ms`);
    t.ok(Math.abs(Date.now() - weekMs / 4 - toMs) < weekMs * 0.02, 'it ends a quarter before now');
    await sentence.filter({ hasText: ' to ' }).waitFor();
    const zoomed = await sentence.textContent();

    await page.reload();
    await sentence.filter({ hasText: ' to ' }).waitFor();
    t.equal(await sentence.textContent(), zoomed, 'the URL alone gives the same range');
    await page.getByRole('button', { name: 'Zoom out' }).click();
    await page.waitForURL((url) => !url.href.includes(String(fromMs)));
    const wider = range();
    t.ok(wider.fromMs < fromMs && wider.toMs > toMs, 'wider on both sides');
    await page.goBack();
    await page.goBack();
    await page.waitForURL(/range=7d/);
    await sentence.filter({ hasText: 'last 7 d' }).waitFor();
    await go('#/');
    calm(t);
  });

  await t.test('what does not work is said, as the collector says it', async (t) => {
    const total = await issueCount(site);
    const issues = page.getByRole('region', { name: `${String(total)} issues of the collector, its sinks and agents` });
    await issues.waitFor();
    // Five nodes are offline: one line each, and once what to do about it.
    t.equal(await issues.getByRole('listitem').count(), 5);
    await issues.getByRole('listitem').filter({ hasText: 'web-1: the agent of this node is not connected' }).waitFor();
    await issues.getByText(HOSTILE.markup).waitFor();
    t.equal(await issues.getByText(/plimsoll doctor tries the connection/).count(), 1);
    t.equal(await issues.getByText('plimsoll status').count(), total > 5 ? 1 : 0);
    calm(t);
  });

  await t.test('changes show without a reload, and are said', async (t) => {
    live.say({ [HOSTILE.markup]: 'Seccomp: 0', [HOSTILE.bidi]: 'Seccomp: 0' });
    const changes = page.getByRole('region', { name: 'What just changed' });
    await changes.getByText(HOSTILE.markup).first().waitFor();
    await changes.getByText('invoice\\u202egnp.exe').first().waitFor();
    await page.locator('[role=status]', { hasText: /\d+ findings? opened;.* worst: / }).waitFor({ state: 'attached' });
    live.say({});
    // What one subject does within seconds is one entry.
    await changes.locator('summary', { hasText: 'container came and went' }).first().click();
    // Its container is gone, so the finding is: the link shows what it was.
    await changes
      .getByRole('link', { name: /resolved/ })
      .first()
      .click();
    const panel = page.getByRole('region', { name: 'Details of the finding' });
    await panel.getByText('The node does not report this finding any more').waitFor();
    await panel.getByRole('heading', { level: 2, name: 'Seccomp protection is missing or weak' }).waitFor();
    await panel.locator('.history li').nth(1).waitFor();
    t.equal(await panel.locator('.history li').count(), 2, 'opened and resolved');
    await go('#/');
    await live.stop();
    await changes.getByText('went offline').waitFor();
    const total = await issueCount(site);
    const issues = page.getByRole('region', { name: `${String(total)} issues of the collector, its sinks and agents` });
    await issues.getByText(`and ${String(total - 5)} more: plimsoll status`).waitFor();
    t.equal(await issues.getByRole('listitem').count(), 5);
    await issues.getByRole('link', { name: 'web-1' }).click();
    await page.getByRole('heading', { level: 1, name: 'web-1' }).waitFor();
    calm(t);
  });

  await t.test('findings: filters, ten thousand rows, keyboard, details', async (t) => {
    await go('#/findings');
    await page.getByText(/^1\d,\d{3} matches$/).waitFor();
    t.ok((await page.locator('.row').count()) < 60, 'only what is in view is in the page');
    await page.keyboard.press('Tab');
    await page.locator('.row-link').first().focus();
    await page.keyboard.press('End');
    await page.keyboard.press('ArrowUp');
    await page.locator('.rows').evaluate((rows: { scrollTop: number; readonly scrollHeight: number }) => {
      rows.scrollTop = rows.scrollHeight;
    });
    await page.locator('.row-link', { hasText: 'not applicable' }).last().waitFor();
    t.ok((await page.locator('.row').count()) < 60, 'also at the end');

    await page.getByRole('button', { name: 'failed' }).click();
    await page.getByRole('button', { name: 'critical' }).click();
    await page.locator('.filter-groups').getByLabel('Node').selectOption({ label: 'web-1' });
    await page.getByRole('searchbox').fill('PRIVILEGED');
    await page.waitForURL(/text=PRIVILEGED/);
    await page.getByText(/^\d+ match(es)?$/).waitFor();
    t.match(page.url(), /severity=critical&verdict=fail&node=seeded-0&text=PRIVILEGED/, 'the address says it all');
    const rows = page.locator('.row-link');
    await rows.first().waitFor();
    const others = (await rows.allInnerTexts()).filter((text) => !/critical[\s\S]*web-1/.test(text));
    t.strictSame(others, []);

    await rows.first().focus();
    await page.keyboard.press('ArrowDown');
    await page.locator('[data-row="1"]:focus').waitFor();
    const subject = await page.evaluate<string>('document.activeElement.innerText');
    await page.keyboard.press('Enter');
    const panel = page.getByRole('region', { name: 'Details of the finding' });
    await panel.getByText('Evidence').waitFor();
    t.ok(subject.includes((await panel.getByRole('heading', { level: 2 }).innerText()).slice(0, 20)));
    t.equal(await page.evaluate<string>('document.activeElement.tagName'), 'H2', 'the focus goes to the details');
    await panel.getByText('Seccomp: 2').waitFor();
    await panel.getByText('Why it matters').waitFor();
    await panel.getByText('cis-docker-1.8.0').waitFor();
    await panel.locator('.history li').first().waitFor();
    const link = page.url();
    await page.keyboard.press('Escape');
    await panel.waitFor({ state: 'detached' });
    await page.locator('[data-row="1"]:focus').waitFor();

    await page.goto('about:blank');
    await page.goto(link);
    await panel.getByText('Seccomp: 2').waitFor();
    await page.goto('about:blank');
    await page.goto(`${site.url}/#/findings/${/findings\/(\w+)/.exec(link)?.[1] ?? ''}`);
    await panel.getByText('Seccomp: 2').waitFor();
    await go('#/findings/0000000000000000');
    await page.getByText('This finding is not known').waitFor();
    await go('#/findings?text=nothing-has-this-text');
    await page.getByText('No finding matches these filters.').waitFor();
    calm(t);
  });

  await t.test('findings in groups, and what the address says of them', async (t) => {
    await go('#/findings?verdict=fail');
    await page.getByLabel('Group by').selectOption('node');
    await page.waitForURL(/findings\?verdict=fail&group=node$/);
    const groups = page.getByRole('table', { name: 'Findings by node' });
    const row = groups.getByRole('row', { name: /^web-1/ });
    const total = await row.getByRole('link').last().innerText();
    await row.getByRole('link').last().click();
    await page.getByText(`${total} matches`, { exact: true }).waitFor();
    await page.waitForURL(/verdict=fail&node=seeded-0$/);
    await page.getByLabel('Group by').selectOption('container');
    const containers = page.getByRole('table', { name: 'Findings by container' });
    await containers
      .getByRole('row', { name: /^shop-0-/ })
      .first()
      .waitFor();
    t.equal(await containers.getByRole('row', { name: /web-2/ }).count(), 0, 'filters hold for groups');
    calm(t);
  });

  await t.test('the history: what happened, and older changes on demand', async (t) => {
    await page.getByRole('link', { name: 'History', exact: true }).click();
    await page.getByRole('heading', { level: 1, name: 'History' }).waitFor();
    await page.getByLabel('Node').selectOption({ label: 'web-1' });
    await page.waitForURL(/history\?node=seeded-0$/);
    await page.locator('.change').first().waitFor();
    const before = await page.locator('.change').count();
    await page.getByRole('button', { name: 'Show older changes' }).click();
    await page.locator('.change').nth(before).waitFor();
    t.equal(await page.locator('.change', { hasText: 'web-2' }).count(), 0, 'of this node only');
    calm(t);
  });

  await t.test('hostile names are text', async (t) => {
    for (const [kind, name] of Object.entries(HOSTILE)) {
      const part =
        { escape: 'red', bidi: 'invoice', invisible: 'u200bb', long: 'long-x', markup: '<img', script: 'script' }[
          kind
        ] ?? '';
      await go(
        `#/findings?verdict=fail&text=${encodeURIComponent(kind === 'invisible' ? '\u200b' : name.slice(0, 200))}`,
      );
      const row = page.locator('.row-link', { hasText: part }).first();
      await row.waitFor();
      const text = await row.innerText();
      t.notMatch(text, /(?!\n)[\p{Cc}\u202e\u200b\u2066]/u, kind);
    }
    t.equal(await page.locator('main img, main script').count(), 0);
    calm(t);
  });

  await t.test('all checks, and those that match', async (t) => {
    await page.getByRole('link', { name: 'Checks', exact: true }).click();
    const list = page.getByRole('list', { name: 'Checks' });
    await page.getByText(`${String(CHECKS.length)} checks`, { exact: true }).waitFor();
    t.equal(await list.getByRole('listitem').count(), CHECKS.length);
    t.match(await list.getByRole('listitem').first().innerText(), /critical/, 'the worst comes first');
    await page.getByRole('button', { name: 'high' }).click();
    await page.getByRole('searchbox').fill('seccomp PROTECTION');
    await page.waitForURL(/checks\?severity=high&text=seccomp\+PROTECTION$/);
    await page.getByText(`1 of ${String(CHECKS.length)} checks`).waitFor();
    await page.getByRole('searchbox').fill('nothing has this text');
    await page.getByText('No check matches these filters.').waitFor();
    await page.getByRole('searchbox').fill('seccomp PROTECTION');
    await list.getByRole('link', { name: /container.seccomp-filter/ }).click();
    calm(t);
  });

  await t.test('a check: explanation and its findings', async (t) => {
    await page.getByRole('heading', { level: 1, name: 'Seccomp protection is effective' }).waitFor();
    await page.getByRole('heading', { name: 'What to do' }).waitFor();
    await page.getByText('https://docs.docker.com/engine/security/seccomp/').waitFor();
    await page.locator('.row-link').first().waitFor();
    calm(t);
  });

  await t.test('a node that is offline: since when, and what is stored', async (t) => {
    await go('#/nodes/seeded-0');
    await page
      .getByRole('region', { name: 'Status', exact: true })
      .getByText(/The node is offline since \d{4}-\d\d-\d\d/)
      .waitFor();
    await page.getByRole('table', { name: 'Containers that the node last reported' }).getByText('shop-1-0').waitFor();
    await page.locator('.row-link').first().waitFor();
    calm(t);
  });

  await t.test('a node that answers: its kernel as it is now', async (t) => {
    await go(`#/nodes/${nodeId}`);
    await page.getByRole('heading', { level: 1, name: 'this-machine' }).waitFor();
    const kernel = page.getByRole('region', { name: 'Kernel', exact: true });
    await kernel.getByText('lockdown').first().waitFor();
    await kernel.getByText('kernel settings').click();
    await kernel.getByText('kernel.kptr_restrict').waitFor();
    const status = page.getByRole('region', { name: 'Status', exact: true });
    await status.getByText(/ of \d+ GiB available$/).waitFor();
    await status.getByText(/^equals that of the collector within \d+ ms/).waitFor();
    await status.getByRole('button', { name: 'Refresh' }).click();
    await status.getByText(/ of a core$/).waitFor();
    calm(t);
  });

  const noDocker = 'docker' in docker ? false : docker.reason;
  await t.test('its containers, declared beside effective', { skip: noDocker }, async (t) => {
    const odd = page
      .getByRole('listitem')
      .filter({ has: page.getByRole('button', { name: 'plimsoll-test-console-odd' }) });
    await odd.getByText(/≠ \d differences/).waitFor();
    const settings = page.getByRole('table', { name: /Settings of plimsoll-test-console-odd/ });
    if (!(await settings.isVisible())) await odd.getByRole('button').first().click();
    await settings.getByRole('row', { name: /root file system read-only read-only as declared/ }).waitFor();
    await settings.getByRole('row', { name: /capabilities default set .*differs: more than declared/ }).waitFor();
    const priv = page
      .getByRole('listitem')
      .filter({ has: page.getByRole('button', { name: 'plimsoll-test-console-priv' }) });
    await priv.getByText('no seccomp filter').first().waitFor();
    await priv.getByText(TEST_IMAGE).waitFor();
    const link = priv.getByRole('link', { name: /^Mounts, ports/ });
    if (!(await link.isVisible())) await priv.getByRole('button').first().click();
    await link.click();
    calm(t);
  });

  await t.test('one container: settings, devices, findings, history; and its image', { skip: noDocker }, async (t) => {
    await page.getByRole('heading', { level: 1, name: 'plimsoll-test-console-priv' }).waitFor();
    t.match(page.url(), new RegExp(`#/nodes/${nodeId}/containers/[0-9a-f]{64}$`));
    await page.getByRole('table', { name: /^Settings of plimsoll-test-console-priv/ }).waitFor();
    await page
      .getByRole('region', { name: /^Open findings/ })
      .getByText('container.privileged')
      .waitFor();
    const history = page.getByRole('region', { name: 'History', exact: true });
    await history
      .getByText(/container (re)?started/)
      .first()
      .waitFor();
    await page.getByRole('link', { name: 'This image on all nodes' }).click();
    await page.getByRole('heading', { level: 1, name: TEST_IMAGE }).waitFor();
    await page.getByRole('table', { name: 'Build steps, oldest first' }).waitFor();
    await page.getByRole('link', { name: 'plimsoll-test-console-odd' }).click();
    await page.getByRole('heading', { level: 1, name: 'plimsoll-test-console-odd' }).waitFor();
    await go(`#/nodes/${nodeId}/containers/${'0'.repeat(64)}`);
    await page.getByText(/^The node lists no container with this id/).waitFor();
    await go('#/nodes/seeded-0/containers/' + encodeURIComponent('a" || true'));
    await page.getByText(/^The node lists no container with this id/).waitFor();
    calm(t);
  });

  await t.test('a query: completion, answers, refusals', async (t) => {
    await go('#/query');
    const field = page.getByLabel('Expression');
    await field.click();
    await field.pressSequentially('kernel.lockd');
    const option = page.getByRole('option', { name: /^lockdown/ });
    await option.waitFor();
    t.equal(await option.getAttribute('aria-selected'), 'true');
    t.equal(await field.getAttribute('aria-activedescendant'), await option.getAttribute('id'));
    await page.keyboard.press('Tab');
    t.equal(await field.inputValue(), 'kernel.lockdown');
    await page.keyboard.press('Control+Enter');
    const mine = page.getByRole('region', { name: 'Answer of this-machine' });
    await mine.getByText(/none|integrity|confidentiality|null/).waitFor();
    await page.getByRole('region', { name: 'Nodes that are offline' }).getByText('web-1').waitFor();

    await field.fill('kernel.sysctls.map(k, {"name": k, "value": kernel.sysctls[k]})');
    await page.locator('.chooser summary').click();
    await page.getByRole('checkbox', { name: 'this-machine' }).check();
    await field.press('Control+Enter');
    await mine.getByRole('row', { name: /kernel.kptr_restrict/ }).waitFor();
    t.equal(
      await page.getByRole('region', { name: 'Nodes that are offline' }).count(),
      0,
      'only the chosen node was asked',
    );
    t.match(page.url(), /query\?expression=kernel\.sysctls.*&node=.*&run=1$/);
    const link = page.url();
    await page.goto('about:blank');
    await page.goto(link);
    await mine.getByRole('row', { name: /kernel.kptr_restrict/ }).waitFor();
    await field.fill('{"a": [{"b": {"c": 1}}], "d": []}');
    await field.press('Control+Enter');
    const nested = mine.getByRole('table', { name: 'Rows of this-machine, a', exact: true });
    await nested.getByRole('table').getByRole('row', { name: 'c 1' }).waitFor();
    await mine.getByText('empty list').waitFor();

    await field.fill('kernel.lokdown');
    await field.press('Control+Enter');
    await page
      .getByRole('alert')
      .getByText(/lockdown/)
      .waitFor();
    await page.getByRole('button', { name: /Containers that run privileged/ }).click();
    t.match(await field.inputValue(), /c\.declared\.privileged/);
    await page.getByRole('heading', { name: 'Asked before' }).waitFor();
    // A refusal is an HTTP 400, which the browser always logs.
    t.strictSame(
      faults.filter((fault) => !fault.includes('400 (Bad Request)')),
      [],
    );
  });

  await t.test('a node is removed, by keyboard; whoever looks on sees it go', async (t) => {
    // The live one, which has gone offline since; it calls itself web-3.
    const before = faults.length;
    const other = await openVisitor(browser, site);
    t.teardown(other.close);
    await enter(other, site);
    const fleet = other.page.getByRole('table', { name: /Nodes with their state/ });
    await fleet.getByRole('row', { name: /web-3/ }).waitFor();
    const onlooker = await openVisitor(browser, site);
    t.teardown(onlooker.close);
    await enter(onlooker, site);
    await onlooker.go('#/nodes/live-1');
    await onlooker.page.getByRole('heading', { level: 1, name: 'web-3' }).waitFor();

    await go(`#/nodes/${nodeId}`);
    await page.getByRole('heading', { level: 1, name: 'this-machine' }).waitFor();
    t.equal(await page.getByRole('button', { name: 'Remove this node' }).count(), 0, 'not one that is connected');
    await go('#/nodes/live-1');
    const button = page.getByRole('button', { name: 'Remove this node' });
    await button.focus();
    await page.keyboard.press('Enter');
    const question = page.getByRole('alertdialog', { name: 'Remove web-3?' });
    await question.waitFor();
    t.match(await question.innerText(), /It has no open findings\. This cannot be undone/);
    t.equal(await page.evaluate<string>('document.activeElement.innerText'), 'Keep it', 'the safe answer is at hand');
    await page.keyboard.press('Escape');
    await question.waitFor({ state: 'hidden' });
    t.match(await page.evaluate<string>('document.activeElement.innerText'), /Remove this node/, 'back where it was');
    t.ok(await isKnown(site, 'live-1'), 'nothing has happened');
    await page.keyboard.press('Enter');
    await question.waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.locator('[role=status]', { hasText: 'web-3 was removed.' }).waitFor({ state: 'attached' });
    await page.getByRole('heading', { level: 1, name: /open|fails|judged/ }).waitFor();
    await fleet.getByRole('row', { name: /web-3/ }).waitFor({ state: 'detached' });
    await onlooker.page.getByText('This node was removed.').waitFor();
    t.notOk(await isKnown(site, 'live-1'));
    // A page that shows a node asks again for what is gone, which the browser always logs.
    t.strictSame(
      [...other.faults, ...onlooker.faults, ...faults.slice(before)].filter(
        (fault) => !fault.includes('404 (Not Found)'),
      ),
      [],
    );
  });

  await t.test('a place that does not exist', async () => {
    await go('#/nowhere');
    await page.getByRole('heading', { name: 'There is no such view' }).waitFor();
    await go('#/nodes/nobody');
    await page.getByText('No node has this id or name.').waitFor();
    await go('#/checks/no.such-check');
    await page.getByText('This collector knows no such check.').waitFor();
  });
  await visitor.close();
});
