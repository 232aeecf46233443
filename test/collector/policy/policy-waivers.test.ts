import { execFileSync } from 'node:child_process';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { imageDetail } from '../../../api/image.ts';
import { plimsoll } from '../../cli/process.ts';
import { startServer, TOKEN } from '../api/server.ts';
import { inventory, REFUSED, SHOP, startFleet, until, WEB } from './policy-fleet.ts';

const ID = 'CVE-2026-1001';
const waiver = { ids: [ID], reason: 'not reachable', owner: 'shop team', expires: '2099-01-31' };

/** A fleet whose image `shop` has a vulnerability that the policy refuses, and what puts waivers in place. */
async function startWaivedFleet(t: Parameters<typeof startFleet>[0], rules = REFUSED) {
  const fleet = await startFleet(t, rules);
  await fleet.add('n1', { [SHOP]: inventory(['openssl', '3.0.1']), [WEB]: inventory(['zlib', '1.2']) });
  const put = async (text: string): Promise<void> => {
    writeFileSync(join(fleet.directory, 'temporary'), text);
    renameSync(join(fleet.directory, 'temporary'), join(fleet.directory, 'waivers', 'team.yaml'));
    await fleet.review.refresh();
  };
  const waive = (...waivers: readonly object[]): Promise<void> =>
    put(JSON.stringify(waivers.map((one) => Object.assign({}, waiver, one))));
  return { ...fleet, put, waive };
}

await t.test('a waiver of the collector counts for every policy, and the verdict says which', async (t) => {
  const { service, store, running, decides, waive } = await startWaivedFleet(t);
  await decides(SHOP, ['deny', 'vulnerability']);
  await waive({});
  await decides(SHOP, ['allow'], 'waived');
  t.match(service.verdictsOf(SHOP)[0]?.verdicts, [
    {
      suppressed: [
        { vulnerability: ID, package: 'openssl 3.0.1', by: 'waiver', source: 'team.yaml [0]', reason: /shop team/ },
      ],
      validUntil: { 'spec.rules[0]': Number },
    },
  ]);
  t.match(service.simulate(undefined).find(({ name }) => name === 'shop:1')?.decision, {
    outcome: 'allow',
    suppressions: [{ vulnerability: ID }],
  });
  t.match(service.verdictsOf(WEB)[0]?.verdicts, [{ suppressed: [] }], 'an image without it is not marked');

  const server = await startServer(t, { policies: service, store: () => store, running });
  const shown = imageDetail.parse(await (await server.fetch(`/v1/images/${SHOP}`)).json());
  t.match(shown, {
    ok: true,
    value: { verdicts: [{ policies: [{ outcome: 'allow', suppressions: [{ source: 'team.yaml [0]' }] }] }] },
  });
  const tokenFile = join(t.testdir(), 'token');
  writeFileSync(tokenFile, TOKEN, { mode: 0o600 });
  const flags = ['--api', new URL(server.url).host, '--token-file', tokenFile];
  const show = await plimsoll(['images', 'show', SHOP, ...flags]);
  t.match(show.stdout, /all +every repository +allow +1 suppressed\n/);
  t.match(show.stdout, /CVE-2026-1001 in openssl 3\.0\.1: not reachable .* \[team\.yaml \[0\]\]/);

  await waive({ packages: ['curl'] });
  await decides(SHOP, ['deny', 'vulnerability'], 'a waiver for another package');
  await waive({ images: ['registry.example.com/other'] });
  await decides(SHOP, ['deny', 'vulnerability'], 'a waiver for another image');
  await waive({ ids: ['CVE-2026-1002'] });
  await decides(SHOP, ['deny', 'vulnerability'], 'a waiver for another vulnerability');
});

await t.test('when a waiver expires the image is refused at once, without anybody saying so', async (t) => {
  const { service, decides, waive } = await startWaivedFleet(t);
  const expires = Date.now() + 4000;
  await waive({ expires: new Date(expires).toISOString() });
  await decides(SHOP, ['allow']);
  const until = service.verdictsOf(SHOP)[0]?.verdicts[0]?.validUntil['spec.rules[0]'] ?? 0;
  t.equal(until, expires - 1, 'an enforcer that gets no newer snapshot stops believing it');
  while (Date.now() < expires) await new Promise((resolve) => setTimeout(resolve, 50));
  const reasons = () => service.verdictsOf(SHOP)[0]?.verdicts[0]?.reasons ?? [];
  while (reasons().length === 0 && Date.now() < expires + 10_000)
    await new Promise((resolve) => setTimeout(resolve, 20));
  t.match(reasons(), [{ code: 'vulnerability' }]);
  t.ok(Date.now() - expires < 8000, `judged again ${String(Date.now() - expires)} ms after it`);
  await decides(SHOP, ['deny', 'vulnerability']);
});

await t.test('attack: a file that breaks suppresses neither more nor less', async (t) => {
  const { directory, review, service, decides, put, waive } = await startWaivedFleet(t);
  await waive({});
  await decides(SHOP, ['allow']);
  const revision = review.current()?.revision;
  for (const text of ['- ids: [CVE', JSON.stringify([{ ...waiver, ids: [ID, 'CVE-2026-1002'], image: ['x'] }]), '{}']) {
    await put(text);
    t.equal(review.current()?.revision, revision, text);
    await decides(SHOP, ['allow'], text);
  }
  const kept = execFileSync('find', [join(directory, 'annotations'), '-type', 'f'], { encoding: 'utf8' }).trim();
  t.same(JSON.parse(readFileSync(kept, 'utf8')), [waiver], 'the copy is what was read last');
  rmSync(join(directory, 'waivers', 'team.yaml'));
  await review.refresh();
  await decides(SHOP, ['deny', 'vulnerability'], 'one that is removed suppresses no more');
  await until(t, () => service.issues().length === 0);
});

await t.test('an advisory with several CVEs counts again when the first of its waivers ends', async (t) => {
  const { service, add, decides, waive, rebuild } = await startWaivedFleet(
    t,
    REFUSED.replace(/ids: .*\]/, 'severity: negligible, unknownSeverity: refuse'),
  );
  const both = {
    id: 'DSA-1-1',
    upstream: [ID, 'CVE-2026-1003'],
    modified: '2026-06-01T00:00:00Z',
    affected: [
      {
        package: { ecosystem: 'Debian:12', name: 'zlib' },
        ranges: [{ type: 'ECOSYSTEM', events: [{ introduced: '0' }, { fixed: '1.3' }] }],
      },
    ],
  };
  await rebuild([both]);
  await add('n1', { [WEB]: inventory(['zlib', '1.2']) });
  await decides(WEB, ['deny', 'vulnerability']);
  const first = Date.now() + 3_600_000;
  await waive({}, { ids: ['CVE-2026-1003'], expires: new Date(first).toISOString() });
  await decides(WEB, ['allow']);
  t.equal(service.verdictsOf(WEB)[0]?.verdicts[0]?.validUntil['spec.rules[0]'], first - 1);
});
