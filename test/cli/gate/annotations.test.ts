import t from 'tap';
import type { Run } from '../process.ts';
import { gate, policyText, worldOf } from './world.ts';

const waiver = (parts: object): string =>
  JSON.stringify([
    {
      ids: ['CVE-2026-0001'],
      packages: ['openssl'],
      reason: 'not reachable',
      owner: 'shop',
      expires: '2999-01-01',
      ...parts,
    },
  ]);

/** OpenVEX 0.2.0. */
const vex = (product: string): string =>
  JSON.stringify({
    '@context': 'https://openvex.dev/ns/v0.2.0',
    '@id': 'https://example.com/vex/1',
    author: 'shop',
    timestamp: '2026-11-01T00:00:00Z',
    version: 1,
    statements: [
      {
        vulnerability: { name: 'CVE-2026-0001' },
        products: [{ '@id': product }],
        status: 'not_affected',
        justification: 'vulnerable_code_not_in_execute_path',
      },
    ],
  });

void t.test('waivers', async (t) => {
  const world = await worldOf(t, {
    'good.json': waiver({}),
    'expired.json': waiver({ expires: '2020-01-01' }),
    'other.json': waiver({ packages: ['bash'] }),
    'image.json': waiver({ images: ['registry.example.com/shop/*'] }),
    'star.json': waiver({ ids: ['*'] }),
    'forever.json': waiver({ expires: undefined }),
    'document.json': JSON.stringify({
      apiVersion: 'plimsoll.dev/v1',
      kind: 'Waiver',
      metadata: { name: 'shop-openssl' },
      spec: {
        match: { vulnerabilities: ['CVE-2026-0001'], packages: ['openssl'] },
        reason: 'not reachable',
        owner: 'shop',
        expires: new Date(Date.now() + 30 * 86_400_000).toISOString().slice(0, 10),
      },
    }),
    'policy.json': policyText({ rules: [{ type: 'vulnerability', severity: 'high' }], waivers: ['document.json'] }),
  });
  const run = (name: string, ...more: readonly string[]): Promise<Run> =>
    gate(world, '--fail-on', 'high', '--waivers', world.path(`${name}.json`), ...more);
  const [good, expired, other, image, elsewhere, star, forever, byPolicy, missing] = await Promise.all([
    run('good'),
    run('expired'),
    run('other'),
    run('image', '--name', 'registry.example.com/shop/db:1'),
    run('image', '--name', 'registry.example.com/other/db:1'),
    run('star'),
    run('forever'),
    gate(world, '--policy', world.path('policy.json')),
    run('missing'),
  ]);
  t.equal(good.code, 0, good.stderr);
  t.match(good.stdout, /1 vulnerability suppressed by waivers/);
  t.equal(expired.code, 1);
  t.match(expired.stderr, /warning: .*has expired/);
  t.equal(other.code, 1);
  t.match(other.stderr, /warning: .*applies to nothing/);
  t.equal(image.code, 0, image.stderr);
  t.equal(elsewhere.code, 1);
  t.not(star.code, 0, 'a waiver for every vulnerability waives none');
  t.equal(forever.code, 2, 'a waiver has an end');
  t.equal(byPolicy.code, 0, byPolicy.stderr);
  t.equal(missing.code, 2);
});

void t.test('VEX', async (t) => {
  const world = await worldOf(t, {
    'good.json': vex('pkg:deb/debian/openssl@3.0.11-1~deb12u2?distro=debian-12'),
    'other.json': vex('pkg:deb/debian/openssl@3.0.10-1?distro=debian-12'),
    'prefix.json': vex('pkg:deb/debian/open'),
    'broken.json': '{"@context":"https://openvex.dev/ns/v0.2.0","statements":7}',
    'text.json': 'hunter2',
  });
  const run = (name: string): Promise<Run> => gate(world, '--fail-on', 'high', '--vex', world.path(`${name}.json`));
  const [good, other, prefix, broken, text] = await Promise.all(['good', 'other', 'prefix', 'broken', 'text'].map(run));
  t.equal(good?.code, 0);
  t.match(good?.stdout, /1 vulnerability suppressed by VEX statements/);
  t.equal(other?.code, 1);
  t.equal(prefix?.code, 1);
  t.equal(broken?.code, 2);
  t.equal(text?.code, 2);
  t.notMatch(text?.stderr, /hunter2/);
});
