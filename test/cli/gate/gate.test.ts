import { lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { plimsoll } from '../process.ts';
import type { Run } from '../process.ts';
import { gate, policyText, STATUS, worldOf } from './world.ts';

void t.test('refused, allowed, could not tell', async (t) => {
  const world = await worldOf(t);
  const { path } = world;
  const [critical, medium, kev, without, old] = await Promise.all([
    gate(world, '--fail-on', 'high'),
    gate(world, '--fail-on', 'critical', '--only-fixed', '-o', 'json'),
    gate(world, '--fail-on', 'kev'),
    plimsoll(['gate', '--rootfs', path('rootfs'), '--vulndb', path('none'), '--fail-on', 'high']),
    gate(world, '--fail-on', 'risk>=101'),
  ]);
  t.strictSame([critical.code, critical.stderr], [1, '']);
  t.match(critical.stdout, /^REFUSED\n/);
  t.match(critical.stdout, /critical +CVE-2026-0001 +openssl +3\.0\.11-1~deb12u2 +3\.0\.13-1~deb12u1/);
  t.equal(medium.code, 1);
  t.match(JSON.parse(medium.stdout), {
    kind: 'GateResult',
    outcome: 'deny',
    reasons: [
      { code: 'vulnerability', vulnerability: { id: 'CVE-2026-0001' }, action: 'Upgrade openssl to 3.0.13-1~deb12u1.' },
    ],
    evidence: { inventory: { state: 'seen', value: { packages: 2, gaps: [] } } },
  });
  t.equal(kev.code, 3, 'the database has no catalogue of exploited vulnerabilities');
  t.match(kev.stdout, /COULD NOT TELL: 1 could not be told\n$/);
  t.equal(without.code, 3);
  t.match(without.stdout, /database-unknown/);
  t.equal(old.code, 2);
  t.match(old.stderr, /--fail-on risk>=: expected a number from 0 to 100/);
});

void t.test('an image of Go, whose advisories have no severity', async (t) => {
  const advisory = {
    id: 'GO-2026-1',
    modified: '2026-11-01T00:00:00Z',
    affected: [
      {
        package: { ecosystem: 'Go', name: 'stdlib' },
        ranges: [{ type: 'SEMVER', events: [{ introduced: '0' }, { fixed: '1.21.8' }] }],
      },
    ],
  };
  const sbomOf = (version: string): string =>
    JSON.stringify({
      bomFormat: 'CycloneDX',
      specVersion: '1.6',
      components: [{ type: 'library', name: 'stdlib', version, purl: `pkg:golang/stdlib@${version}` }],
    });
  const { path, database } = await worldOf(t, {
    'osv/records.ndjson': `${JSON.stringify(advisory)}\n`,
    'old.json': sbomOf('1.21.0'),
    'new.json': sbomOf('1.21.8'),
  });
  const run = (sbom: string, ...args: readonly string[]): Promise<Run> =>
    plimsoll(['gate', path(sbom), '--vulndb', database, '--fail-on', 'critical', '--only-fixed', ...args]);
  const [open, old, ignored, upgraded, json] = await Promise.all([
    run('old.json'),
    run('old.json', '--unknown-severity', 'refuse'),
    run('old.json', '--unknown-severity', 'ignore'),
    run('new.json', '--unknown-severity', 'refuse'),
    run('old.json', '-o', 'json'),
  ]);
  t.equal(open.code, 3);
  t.match(open.stdout, /1 vulnerability undetermined: no severity in the database\n/);
  t.match(open.stdout.replaceAll(/\s+/g, ' '), /--unknown-severity refuse or ignore/);
  t.match(JSON.parse(json.stdout), { reasons: [{ undetermined: 'no severity in the database' }] });
  t.equal(old.code, 1);
  t.match(old.stdout, /unrated +GO-2026-1 +stdlib +1\.21\.0 +1\.21\.8/);
  t.equal(ignored.code, 0);
  t.match(ignored.stdout, /1 vulnerability without a severity not counted/);
  t.strictSame([upgraded.code, upgraded.stderr], [0, '']);
});

void t.test('by policies', async (t) => {
  const world = await worldOf(t, {
    'strict.json': policyText({ rules: [{ type: 'vulnerability', ids: ['CVE-2026-0001'] }] }),
    'mild.json': policyText({ mode: 'warn', rules: [{ type: 'vulnerability' }] }),
    'registry.json': policyText({
      match: { images: ['registry.example.com/**'] },
      rules: [{ type: 'registry', allow: ['registry.example.com/shop/*'] }],
    }),
    'forbidden.json': policyText({ rules: [{ type: 'package', forbid: [{ name: 'bash', version: '>=5.0' }] }] }),
    'wrong.json': policyText({ rules: [{ type: 'vulnerability', sevrity: 'high' }] }),
  });
  const policy = (name: string, ...args: readonly string[]): Promise<Run> =>
    gate(world, '--policy', world.path(`${name}.json`), ...args);
  const [strict, mild, both, named, other, unnamed, forbidden, wrong] = await Promise.all([
    policy('strict'),
    policy('mild'),
    policy('mild', '--fail-on', 'critical'),
    policy('registry', '--name', 'registry.example.com/shop/db:1'),
    policy('registry', '--name', 'registry.example.com/other/db:1'),
    policy('registry'),
    policy('forbidden'),
    policy('wrong'),
  ]);
  t.equal(strict.code, 1);
  t.equal(mild.code, 0);
  t.match(mild.stdout, /ALLOWED: 1 warning\n$/);
  t.equal(both.code, 1, 'options make a mild policy stricter');
  t.equal(named.code, 0);
  t.equal(other.code, 1);
  t.equal(unnamed.code, 3, 'an image without a name matches no policy of a registry');
  t.match(unnamed.stdout, /no-policy/);
  t.equal(forbidden.code, 1);
  t.equal(wrong.code, 2);
  t.match(wrong.stderr, /wrong\.json: spec\.rules\[0\]\.sevrity: unknown field; did you mean `severity`\?/);
});

void t.test('an image that makes its inventory incomplete is not allowed', async (t) => {
  const world = await worldOf(t, {
    'any.json': policyText({ rules: [{ type: 'vulnerability', severity: 'critical' }] }),
  });
  writeFileSync(world.path('rootfs/var/lib/dpkg/status'), STATUS.replace('Version: 3.0.11-1~deb12u2\n', ''));
  const damaged = await gate(world, '--policy', world.path('any.json'));
  t.equal(damaged.code, 3);
  t.match(damaged.stdout, /inventory-incomplete/);
  writeFileSync(world.path('rootfs/var/lib/dpkg/status'), STATUS);
  writeFileSync(world.path('rootfs/etc/os-release'), '');
  const unnamed = await gate(world, '--policy', world.path('any.json'));
  t.equal(unnamed.code, 3, 'without a distribution its packages cannot be looked up');
});

void t.test('a link out of the image is not followed', async (t) => {
  const world = await worldOf(t, {
    'outside/status': STATUS,
    'outside/package.json': '{"name":"left-pad","version":"1.0.0"}',
  });
  mkdirSync(world.path('rootfs/app/node_modules/left-pad'), { recursive: true });
  symlinkSync(world.path('outside/package.json'), world.path('rootfs/app/node_modules/left-pad/package.json'));
  const run = await gate(world, '--fail-on', 'any', '-o', 'json');
  t.notMatch(run.stdout, /left-pad","version":"1\.0\.0/);
});

void t.test('a baseline excuses what it holds, and nothing that could not be told', async (t) => {
  const world = await worldOf(t);
  const baseline = world.path('baseline.json');
  const first = await gate(world, '--fail-on', 'critical', '-o', 'json', '--output-file', baseline);
  t.equal(first.code, 1);
  t.match(first.stdout, /^REFUSED/, 'the table is printed beside the file');
  writeFileSync(
    world.path('kev.json'),
    JSON.stringify(JSON.parse((await gate(world, '--fail-on', 'kev', '-o', 'json')).stdout)),
  );
  writeFileSync(world.path('other.json'), '{"kind":"Pod"}');
  const [known, more, unknown, other, missing] = await Promise.all([
    gate(world, '--fail-on', 'critical', '--baseline', baseline),
    gate(world, '--fail-on', 'any', '--fail-on', 'kev', '--baseline', baseline),
    gate(world, '--fail-on', 'kev', '--baseline', world.path('kev.json')),
    gate(world, '--fail-on', 'critical', '--baseline', world.path('other.json')),
    gate(world, '--fail-on', 'critical', '--baseline', world.path('missing.json')),
  ]);
  t.equal(known.code, 0);
  t.match(known.stdout, /ALLOWED: 1 known\n$/);
  t.equal(more.code, 3);
  t.equal(unknown.code, 3);
  t.equal(other.code, 2);
  t.match(other.stderr, /is not a result of plimsoll gate/);
  t.equal(missing.code, 2);
});

void t.test('every format, to a file too', async (t) => {
  const world = await worldOf(t);
  const run = (format: string, ...more: readonly string[]): Promise<Run> =>
    gate(world, '--fail-on', 'critical', '-o', format, ...more);
  const [sarif, junit, gitlab, ndjson, template, quiet] = await Promise.all([
    run('sarif'),
    run('junit', '--output-file', world.path('gate.xml')),
    run('gitlab'),
    run('ndjson'),
    run('jsonpath={.reasons[*].vulnerability.id}'),
    gate(world, '--fail-on', 'critical', '-q'),
  ]);
  for (const one of [sarif, junit, gitlab, ndjson, template, quiet]) t.equal(one.code, 1);
  t.equal((JSON.parse(sarif.stdout) as { version: string }).version, '2.1.0');
  t.match(readFileSync(world.path('gate.xml'), 'utf8'), /<failure /);
  t.strictSame(
    readdirSync(world.path('.')).filter((name) => name.endsWith('.tmp')),
    [],
  );
  t.match(JSON.parse(gitlab.stdout), [{ check_name: 'CVE-2026-0001', severity: 'blocker' }]);
  t.equal(ndjson.stdout.trim().split('\n').length, 2);
  t.equal(template.stdout.trim(), 'CVE-2026-0001');
  t.equal(quiet.stdout, '');
  const unwritable = await run('sarif', '--output-file', world.path('none/gate.sarif'));
  t.equal(unwritable.code, 2, 'a report that is lost is no success');
  symlinkSync('/dev/null', world.path('device'));
  t.equal((await run('sarif', '--output-file', world.path('device'))).code, 1);
  t.ok(lstatSync(world.path('device')).isSymbolicLink(), 'a device is written to, not replaced');
});

void t.test('wrong usage', async (t) => {
  const rows: readonly (readonly [args: readonly string[], problem: RegExp])[] = [
    [['--fail-on', 'high'], /gate needs an image/],
    [['alpine'], /gate needs --policy FILE or --fail-on SEVERITY/],
    [['alpine', '--rootfs', '/x', '--fail-on', 'high'], /either an image or --rootfs/],
    [['Alpine', '--fail-on', 'high'], /lower case/],
    [['alpine', '--name', 'x', '--fail-on', 'high'], /--name is for archives/],
    [['--rootfs', '/x', '--name', 'a b', '--fail-on', 'high'], /--name: /],
    [['--rootfs', '/nonexistent', '--fail-on', 'high'], /cannot be opened/],
    [['alpine', '--only-fixed', '--policy', 'x'], /--only-fixed is for --fail-on only/],
    [['--rootfs', '/x', '--fail-on', 'severe'], /"severe" is not one of/],
    [['--rootfs', '/x', '--fail-on', 'high', '--max-db-age', 'soon'], /--max-db-age: expected a duration/],
    [['--rootfs', '/x', '--fail-on', 'high', '--platform', 'linux'], /--platform: expected OS\/ARCH/],
  ];
  for (const [args, problem] of rows) {
    const run = await plimsoll(['gate', ...args]);
    t.equal(run.code, 2, args.join(' '));
    t.match(run.stderr, problem);
  }
});
