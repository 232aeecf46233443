import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import t from 'tap';
import type { Test } from 'tap';
import { launchChromium, noChromium } from '../../component/chromium.ts';
import { HOSTILE } from '../seed.ts';
import { seedImages } from '../seed-images.ts';
import { fetchApi, postApi, startSite } from '../site.ts';
import type { Site } from '../site.ts';
import { lookAround } from './look.ts';
import { enter, openVisitor } from './visitor.ts';
import type { Visitor } from './visitor.ts';

t.setTimeout(230_000);

const POLICIES = `
apiVersion: plimsoll.dev/v1
kind: ImagePolicy
metadata: { name: production }
spec:
  match: { images: ['registry.example.com/shop/**'], namespaces: ['prod-*'] }
  mode: enforce
  rules:
    - { type: registry, allow: ['registry.example.com/shop/**'] }
---
apiVersion: plimsoll.dev/v1
kind: ImagePolicy
metadata: { name: everything }
spec:
  mode: observe
  accept: { gaps: ['/opt/*'] }
  waivers: [waivers.list]
  rules:
    - { type: reference, requireDigest: true, message: 'Ask <img src=x onerror=alert(1)>' }
---
apiVersion: plimsoll.dev/v1
kind: PodPolicy
metadata: { name: pods }
spec:
  podSecurity: { level: baseline, version: '1.34', exempt: [hostPorts] }
  breakGlass: { groups: [oncall] }
`;
const WAIVERS = `
- { ids: [CVE-2026-1], reason: 'accepted ${HOSTILE.markup}', owner: sec, expires: 2099-01-31 }
- { ids: [CVE-2020-2], images: ['docker.io/library/*'], reason: late, owner: sec, expires: 2021-01-31 }
`;

const denial = (id: string, change: object = {}) => ({
  id,
  atMs: Date.now(),
  program: 'admission',
  outcome: 'denied',
  kind: 'Pod',
  namespace: 'shop',
  name: 'db-0',
  operation: 'CREATE',
  user: 'alice',
  requestUid: 'uid-1',
  policies: ['production'],
  reasons: [
    {
      code: 'registry-not-allowed',
      field: 'spec.containers[0].image',
      text: `${HOSTILE.markup} is not from registry.example.com/shop/**. Push it there.`,
    },
  ],
  omitted: 2,
  suppressed: 0,
  breakGlass: '',
  ...change,
});

const DIGEST = `sha256:${'a'.repeat(64)}`;
const entry = (id: string, name: string, change: object = {}) => ({
  id,
  policy: 'shop',
  workload: { kind: 'Deployment', namespace: 'shop', name, uid: `uid-${name}` },
  action: 'roll',
  changes: [
    { container: 'app', from: 'registry.example.com/shop/app:1', to: `registry.example.com/shop/app@${DIGEST}` },
  ],
  reasons: ['app: known exploited: CVE-2026-1'],
  note: '',
  ...change,
});

/** What a webhook and `plimsoll rollout` report, through the API that they use. */
async function report(site: Site): Promise<void> {
  const reporter = { program: 'admission', name: 'webhook-1', instance: 'i' };
  await postApi(site, '/v1/denials', {
    reporter,
    pending: 0,
    dropped: 0,
    denials: [
      denial('one'),
      denial('two', { outcome: 'overridden', name: 'web-1', breakGlass: `outage ${HOSTILE.bidi}` }),
      denial('three', {
        program: 'authz',
        kind: 'Host',
        namespace: '',
        name: 'host-1',
        operation: 'POST /containers/create',
        outcome: 'observed',
        requestUid: '',
      }),
    ],
  });
  await postApi(site, '/v1/rollouts/report', {
    plan: [
      { ...entry('aaaa', 'api'), state: 'awaitingApproval' },
      { ...entry('bbbb', 'web', { note: '1 rollouts run, the budget of the policy is 1' }), state: 'waiting' },
      {
        ...entry('cccc', 'cache', { action: 'none', changes: [], note: 'its images do not set off the trigger' }),
        state: 'none',
      },
    ],
    steps: [
      { stepId: 's1', entry: entry('dddd', 'db'), state: 'started', note: '' },
      { stepId: 's2', entry: entry('eeee', 'old'), state: 'rolledBack', note: 'it was not ready after 600 s' },
    ],
    usage: {
      budgets: [
        {
          policy: 'shop',
          budget: 'atOnce',
          namespace: '',
          used: 1,
          limit: 1,
          holders: [`shop/Deployment/db${HOSTILE.bidi}`],
        },
        { policy: 'shop', budget: 'offline', namespace: '', used: 0, limit: 1, holders: [] },
      ],
      windows: [{ policy: 'shop', isOpen: false, changesMs: Date.now() + 3_600_000 }],
    },
  });
}

async function until(t: Test, condition: () => Promise<boolean>): Promise<void> {
  for (let left = 400; left > 0; left -= 1) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  t.fail('not in time');
}

async function visit(t: Test, browser: Browser, site: Site, token = site.token): Promise<Visitor> {
  const visitor = await openVisitor(browser, site, { reducedMotion: 'reduce' });
  t.teardown(() => visitor.close());
  await enter(visitor, { ...site, link: () => linkOf(site, token) });
  return visitor;
}

async function linkOf(site: Site, token: string): Promise<string> {
  const { code } = (await postApi({ ...site, token }, '/v1/console/links', {})) as { code: string };
  return `${site.url}/#code=${code}`;
}

interface ReadRollouts {
  readonly isPaused: boolean;
  readonly rollouts: readonly {
    readonly id: string;
    readonly decision?: { readonly decision: string; readonly by: string };
  }[];
}

void t.test('what policies decide and do, in a real browser', { skip: noChromium }, async (t) => {
  const browser = await launchChromium();
  t.teardown(() => browser.close());
  const site = await startSite(t, {
    seed: false,
    prepare: async (dataDir) => {
      mkdirSync(join(dataDir, 'policies'));
      writeFileSync(join(dataDir, 'policies', 'production.yaml'), POLICIES);
      writeFileSync(join(dataDir, 'policies', 'waivers.list'), WAIVERS);
      await seedImages(dataDir, [{ name: 'shop', nodes: ['web-1', 'web-2'], problem: 'not read' }]);
    },
    settings: (dataDir) => ({ policies: join(dataDir, 'policies') }),
  });
  await report(site);
  const rollouts = async (): Promise<ReadRollouts> =>
    (await (await fetchApi(site, '/v1/rollouts')).json()) as ReadRollouts;
  const decisionOf = async (id: string) => (await rollouts()).rollouts.find((one) => one.id === id)?.decision;
  const { page, go, faults } = await visit(t, browser, site);
  const calm = (t: Test): void => {
    t.strictSame(faults, [], 'no violation, no error, no dialog, no other origin');
  };

  await t.test('policies: conditions in words, and what each would do now', async (t) => {
    await page.getByRole('link', { name: 'Policies', exact: true }).click();
    const table = page.getByRole('table', { name: 'Policies in use' });
    await table.waitFor();
    const row = async (name: string): Promise<string> =>
      (await table.getByRole('row', { name: new RegExp(`^${name} `) }).innerText()).replaceAll(/\s+/g, ' ');
    t.match(
      await row('production'),
      /production ImagePolicy enforce images registry\.example\.com\/shop\/\*\* namespaces prod-\* the image comes from registry\.example\.com\/shop\/\*\* none runs none runs production\.yaml#1/,
    );
    t.match(await row('everything'), /observe .*the reference names a digest Ask <img src=x onerror=alert\(1\)>/);
    t.match(await row('everything'), /2 allowed 2 denied production\.yaml#2/, 'what enforcing it would do');
    t.match(await row('pods'), /PodPolicy enforce namespaces \* the pod meets level baseline .* 1\.34 not simulated/);
    const images = page.getByRole('table', { name: 'Decisions on running images' });
    t.match(
      (await images.getByRole('row', { name: 'shop:1' }).innerText()).replaceAll(/\s+/g, ' '),
      /shop:1 allow deny 2 everything digest-missing/,
    );
    calm(t);
  });

  // The collector finds it within 15 s: what follows does not wait for it.
  const rival = POLICIES.split('---')[0]?.replace('name: production', 'name: rival') ?? '';
  writeFileSync(join(site.dataDir, 'policies', 'rival.yaml'), rival);

  await t.test('exemptions: waivers with their expiry, and what policies leave out', async (t) => {
    await page.getByRole('link', { name: 'Exemptions', exact: true }).click();
    const waivers = page.getByRole('table', { name: 'Waivers, the first to expire first' });
    await waivers.waitFor();
    t.match(await waivers.getByRole('row').nth(1).innerText(), /CVE-2020-2[^]*expired 2021-0[12]-/);
    t.match(await waivers.getByRole('row').nth(2).innerText(), /CVE-2026-1[^]*2099-0[12]-[^]*accepted <img/);
    const exceptions = await page.getByRole('table', { name: 'Exceptions of policies' }).innerText();
    t.match(exceptions, /paths of the image that need not be readable: \/opt\/\*/);
    t.match(exceptions, /controls that are not judged: hostPorts/);
    t.match(exceptions, /break-glass is allowed for group oncall/);
    await page.getByText('The collector watches no admission webhook.').waitFor();
    calm(t);
  });

  await t.test('denials: filters in the URL, break-glass, every reason', async (t) => {
    await go('#/denials');
    const table = page.getByRole('table', { name: 'Denials, newest first' });
    await table.waitFor();
    t.equal(await table.getByRole('row').count(), 4);
    t.match(await table.getByRole('row', { name: /Pod shop\/web-1/ }).innerText(), /break-glass/);
    t.match(await table.getByRole('row', { name: /host-1: POST \/containers\/create/ }).innerText(), /observed/);
    await page.getByRole('button', { name: 'break-glass' }).click();
    await page.getByText('1 denial', { exact: true }).waitFor();
    t.match(page.url(), /#\/denials\?outcome=overridden$/);
    await page.getByRole('searchbox').fill('none-such');
    await page.getByText('No denial matches these filters.').waitFor();
    await go('#/denials?program=authz&since=1h');
    await page.getByText('1 denial', { exact: true }).waitFor();
    await go('#/denials?namespace=shop');
    await table.getByRole('link', { name: 'Pod shop/web-1' }).click();
    await page.getByRole('heading', { level: 1, name: 'Pod shop/web-1' }).waitFor();
    const request = await page.getByRole('region', { name: 'Request' }).innerText();
    t.match(request, /break-glass\s+outage invoice\\u202egnp\.exe/, 'the reason is text');
    t.match(request, /webhook-1, with the token/);
    const reasons = await page.getByRole('table', { name: 'Reasons of this denial' }).innerText();
    t.ok(reasons.includes(`${HOSTILE.markup} is not from registry.example.com/shop/**. Push it there.`));
    await page.getByText('2 more, which were not reported.').waitFor();
    await go('#/denials/none');
    await page.getByText('No denial has this id.').waitFor();
    calm(t);
  });

  await t.test('rollouts: what waits, runs, is planned and was done', async (t) => {
    await go('#/denials');
    await page.getByRole('link', { name: 'Rollouts', exact: true }).click();
    const row = async (group: string, name: string): Promise<string> => {
      const table = page.getByRole('table', { name: `Rollouts: ${group}` });
      return (await table.getByRole('row', { name }).innerText()).replaceAll(/\s+/g, ' ');
    };
    t.match(await row('Waiting for approval', 'shop/Deployment/api'), /waits for approval roll app: registry/);
    t.match(await row('In progress', 'shop/Deployment/db'), /in progress/);
    t.match(await row('Planned', 'shop/Deployment/web'), /waits roll .* the budget of the policy is 1/);
    t.match(await row('History', 'shop/Deployment/old'), /rolled back/);
    t.match(await row('Budgets', 'rollouts at a time'), /^shop rollouts at a time 1 of 1 shop\/Deployment\/db/);
    t.match(await row('Budgets', 'workloads offline'), /0 of 1 – –$/);
    t.match(await row('Maintenance windows', 'shop'), /^shop closed opens \d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
    t.equal(await page.getByText('shop/Deployment/cache').count(), 0);
    await page.getByRole('button', { name: 'also workloads with nothing to do' }).click();
    t.match(await row('Nothing to do', 'shop/Deployment/cache'), /its images do not set off the trigger/);
    t.match(page.url(), /#\/rollouts\?all=true$/);
    calm(t);
  });

  await t.test('an approval asks first, is for exactly one step, and is in the audit log', async (t) => {
    await go('#/rollouts/aaaa');
    await page.getByRole('button', { name: 'Approve …' }).click();
    const question = page.getByRole('alertdialog', { name: 'Approve for shop/Deployment/api?' });
    await question.waitFor();
    t.ok((await question.innerText()).includes(`registry.example.com/shop/app@${DIGEST}`));
    await page.keyboard.press('Escape');
    await question.waitFor({ state: 'hidden' });
    t.equal(await decisionOf('aaaa'), undefined, 'a question that was left decides nothing');
    await page.getByRole('button', { name: 'Approve …' }).click();
    await question.getByRole('button', { name: 'Approve', exact: true }).click();
    await page.getByText('It is approved, and begins as soon as nothing else comes first.').waitFor();
    t.match(await decisionOf('aaaa'), { decision: 'approved', by: /127\.0\.0\.1/ });
    await page.getByRole('button', { name: 'Reject …' }).click();
    const rejection = page.getByRole('alertdialog', { name: 'Reject for shop/Deployment/api?' });
    await rejection.getByRole('button', { name: 'Reject', exact: true }).click();
    await page.getByText('It is rejected.').waitFor();
    t.match(await decisionOf('aaaa'), { decision: 'rejected' });
    const { records } = (await (await fetchApi(site, '/v1/audit')).json()) as {
      records: readonly { readonly operation: string }[];
    };
    t.equal(records.filter(({ operation }) => operation === 'decideRollout').length, 2);
    calm(t);
  });

  await t.test('a plan that changes under an open question is not approved by it', async (t) => {
    await go('#/rollouts/bbbb');
    await page.getByRole('button', { name: 'Approve …' }).click();
    const question = page.getByRole('alertdialog', { name: 'Approve for shop/Deployment/web?' });
    await question.waitFor();
    // Between the look and the answer, whoever controls the registry moves the tag: the plan has another id.
    await postApi(site, '/v1/rollouts/report', {
      plan: [
        { ...entry('aaaa', 'api'), state: 'awaitingApproval' },
        {
          ...entry('ffff', 'web', { changes: [{ container: 'app', from: 'a', to: 'evil' }] }),
          state: 'awaitingApproval',
        },
      ],
      steps: [],
    });
    await question.getByRole('button', { name: 'Approve', exact: true }).click();
    await page
      .getByText(/no rollout "bbbb" is planned|This step is not planned any more/)
      .first()
      .waitFor();
    t.equal(await decisionOf('ffff'), undefined);
    t.match(faults.join('\n'), /404/, 'the browser reports the refusal');
    (faults as string[]).length = 0;
  });

  await t.test('pausing asks first', async (t) => {
    await go('#/rollouts');
    await page.getByRole('button', { name: 'Pause …' }).click();
    await page.getByRole('alertdialog').getByRole('button', { name: 'Pause', exact: true }).click();
    await page.getByText('Rollouts are paused.', { exact: true }).first().waitFor();
    t.equal((await rollouts()).isPaused, true);
    await page.getByRole('button', { name: 'Resume …' }).click();
    await page.getByRole('alertdialog').getByRole('button', { name: 'Resume', exact: true }).click();
    await page.getByText('Rollouts are not paused.').waitFor();
    t.equal((await rollouts()).isPaused, false);
    calm(t);
  });

  await t.test('a conflict is shown, and the policies that were loaded stay in use', async (t) => {
    await until(t, async () => (await (await fetchApi(site, '/v1/policies')).text()).includes('rival conflicts'));
    await go('#/policies');
    await page.getByText(/rival conflicts with production of .* are equally specific/).waitFor();
    await page.getByText('The policies that were loaded before stay in use.').waitFor();
    t.equal(await page.getByRole('table', { name: 'Policies in use' }).getByRole('row').count(), 4);
    t.notOk((await page.content()).includes(site.dataDir), 'no path of the machine of the collector');
    calm(t);
  });

  await t.test('a viewer, and a token without the scope approve, decide nothing', async (t) => {
    for (const body of [
      { role: 'viewer', name: 'reader' },
      { role: 'operator', name: 'robot', scopes: ['rollout', 'read', 'status'] },
    ]) {
      const { token } = (await postApi(site, '/v1/tokens', body)) as { token: string };
      const other = await visit(t, browser, site, token);
      await other.go('#/rollouts/aaaa');
      await other.page.getByText(/does not allow this/).waitFor();
      t.equal(await other.page.getByRole('button', { name: 'Approve …' }).isDisabled(), true, body.name);
      await other.go('#/rollouts');
      await other.page.getByText(/does not allow this/).waitFor();
      t.equal(await other.page.getByRole('button', { name: 'Pause …' }).isDisabled(), true, body.name);
      t.strictSame(other.faults, []);
      await other.close();
    }
  });

  await t.test('axe finds nothing, light and dark, wide and narrow', async (t) => {
    const visitor = await openVisitor(browser, site, { bypassCSP: true, reducedMotion: 'reduce' });
    t.teardown(() => visitor.close());
    await enter(visitor, site);
    for (const [hash, there] of [
      ['#/policies', 'Decisions on running images'],
      ['#/exemptions', 'Exceptions of policies'],
      ['#/denials', 'Denials, newest first'],
      ['#/denials/two', 'Reasons of this denial'],
      ['#/rollouts?all=true', 'Rollouts: History'],
      ['#/rollouts/ffff', 'Images that are replaced'],
    ] as const) {
      await visitor.go(hash);
      await visitor.page.getByRole('table', { name: there }).waitFor();
      await lookAround(t, visitor.page, hash);
    }
  });
});
