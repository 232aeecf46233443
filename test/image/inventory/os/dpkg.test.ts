import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import t from 'tap';
import { inventoryOf, makeRoot } from '../../../fixture/image-root.ts';

const hasDpkg = existsSync('/usr/bin/dpkg-deb');

void t.test('what real dpkg installed into a root is what dpkg-query lists', { skip: !hasDpkg && 'no dpkg' }, (t) => {
  const root = makeRoot(t, { 'var/lib/dpkg/status': '', 'var/lib/dpkg/info/format': '1\n' });
  mkdirSync(join(root, 'var/lib/dpkg/updates'), { recursive: true });
  const install = (name: string, control: string): void => {
    const tree = makeRoot(t, {
      'DEBIAN/control': `Package: ${name}\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: x\n y\n${control}\n`,
      [`usr/share/${name}/file`]: 'x',
    });
    const archive = `${tree}.deb`;
    t.equal(spawnSync('dpkg-deb', ['--root-owner-group', '-b', tree, archive]).status, 0, name);
    const done = spawnSync('dpkg', ['--root', root, '--force-all', '--log=/dev/null', '-i', archive], {
      encoding: 'utf8',
    });
    t.equal(done.status, 0, done.stderr);
    t.teardown(() => spawnSync('rm', ['-f', archive]));
  };
  install('plain', 'Version: 1:2.0~rc1-3+b1');
  install('binary', 'Version: 2.0-1+b2\nSource: src (2.0-1)');
  install('library1', 'Version: 1.0\nSource: library');
  install('onhold', 'Version: 3');
  install('removed', 'Version: 4');
  spawnSync('dpkg', ['--root', root, '--set-selections'], { input: 'onhold hold\nplain deinstall\n' });
  spawnSync('dpkg', ['--root', root, '--log=/dev/null', '-r', 'removed']);
  const listed = spawnSync(
    'dpkg-query',
    [
      '--admindir',
      join(root, 'var/lib/dpkg'),
      '-W',
      '-f',
      '${db:Status-Status}\t${Package}\t${Version}\t${source:Package}\t${source:Version}\t${Architecture}\n',
    ],
    { encoding: 'utf8' },
  );
  const wanted = listed.stdout
    .split('\n')
    .filter((line) => line.startsWith('installed\t'))
    .map((line) => line.slice('installed\t'.length));
  t.equal(wanted.length, 4);
  const { packages, gaps } = inventoryOf(root);
  t.strictSame(
    packages.map(({ name, version, source, architecture }) =>
      [name, version, source?.name ?? name, source?.version ?? version, architecture].join('\t'),
    ),
    wanted.sort(),
  );
  t.strictSame(gaps, [
    { path: '/etc/os-release', reason: 'absent or without a valid ID: the distribution is unknown' },
  ]);
  t.equal(packages[0]?.vendor, 'A <a@example.org>');
  t.end();
});

const oracle = new URL('../../../../../shared/vulndata/oracle/', import.meta.url);

void t.test(
  'a real status file of Debian 12 has the packages that dpkg-query lists',
  { skip: !existsSync(oracle) && 'no shared data' },
  (t) => {
    const root = makeRoot(t, {
      'var/lib/dpkg/status': gunzipSync(readFileSync(new URL('app.dpkg-status.gz', oracle))),
      'etc/os-release': 'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n',
    });
    const { packages, gaps, distribution } = inventoryOf(root);
    const rows = readFileSync(new URL('app.dpkg-query.tsv', oracle), 'utf8').trim().split('\n');
    t.ok(rows.length > 150);
    t.strictSame(
      packages
        .map(({ name, version, architecture, source }) =>
          [name, version, architecture, source?.name ?? name, source?.version ?? version].join('\t'),
        )
        .sort(),
      rows.map((row) => row.split('\t').slice(0, 5).join('\t')).sort(),
    );
    t.strictSame(gaps, []);
    t.strictSame(distribution, { id: 'debian', versionId: '12', codename: 'bookworm', like: [] });
    t.end();
  },
);

const stanza = (name: string, status: string, rest = ''): string =>
  `Package: ${name}\nStatus: ${status}\nVersion: 1.0\n${rest}\n`;

void t.test('states: what has files in the image counts, what is partly installed is a gap', (t) => {
  const root = makeRoot(t, {
    'etc/os-release': 'ID=debian',
    'var/lib/dpkg/status': [
      stanza('a', 'install ok installed'),
      stanza('b', 'hold ok installed'),
      stanza('c', 'deinstall ok config-files'),
      stanza('d', 'install ok unpacked'),
      stanza('e', 'install ok half-configured'),
      stanza('f', 'install reinstreq half-installed'),
      stanza('g', 'unknown ok not-installed'),
      stanza('h', 'install ok triggers-pending'),
      'Package: i\nVersion: 2\n',
      'Package: j\nStatus: install ok installed\n',
      'Package: k\nStatus: install ok installed\nVersion: 1 2\n',
    ].join('\n'),
  });
  const { packages, gaps } = inventoryOf(root);
  t.strictSame(
    packages.map(({ name }) => name),
    ['a', 'b', 'd', 'e', 'h', 'i'],
  );
  t.strictSame(gaps, [
    { path: '/var/lib/dpkg/status', reason: 'dpkg: 1 packages are half-installed' },
    { path: '/var/lib/dpkg/status', reason: 'dpkg: 2 malformed entries' },
  ]);
  t.end();
});

void t.test('a damaged or absent database is never a complete inventory of no packages', (t) => {
  const release = { 'etc/os-release': 'ID=debian\nVERSION_ID="12"\n' };
  const absent = {
    path: '/etc/os-release',
    reason:
      'names debian, but no package of it was found: its package database is absent, empty, damaged or not supported',
  };
  const malformed = (count: number): { path: string; reason: string } => ({
    path: '/var/lib/dpkg/status',
    reason: `dpkg: ${String(count)} malformed entries`,
  });
  const good = stanza('a', 'install ok installed');
  const cases: readonly (readonly [string, string | Uint8Array | undefined, string[], object[]])[] = [
    ['absent', undefined, [], [absent]],
    ['empty', '', [], [absent]],
    ['NULs', new Uint8Array(200_000), [], [absent, malformed(1)]],
    ['no field that is known', 'Pakij: apt\nVershun: 1\n', [], [absent, malformed(1)]],
    ['other fields only', 'Description: x\n y\n\nTag: z\n', [], [absent, malformed(2)]],
    ['removed packages only', stanza('c', 'deinstall ok config-files'), [], [absent]],
    ['one stanza without a name', `${good}\nVersion: 1\nTag: z\n`, ['a'], [malformed(1)]],
    ['one without known fields', `${good}\nPakij: apt\n`, ['a'], [malformed(1)]],
    ['continuation lines only', `${good}\n x\n y\n`, ['a'], [malformed(1)]],
    ['a lost empty line', `${good.trimEnd()}\n${stanza('b', 'install ok installed')}`, ['a'], [malformed(1)]],
    ['garbage within a stanza', `${good.trimEnd()}\n\0\0\0\0\n`, ['a'], [malformed(1)]],
    ['a name that is none', `${good}\n${stanza('../x', 'install ok installed')}`, ['a'], [malformed(1)]],
  ];
  for (const [name, status, packages, gaps] of cases) {
    const root = makeRoot(t, { ...release, ...(status !== undefined && { 'var/lib/dpkg/status': status }) });
    const found = inventoryOf(root);
    t.strictSame(
      found.packages.map((each) => each.name),
      packages,
      name,
    );
    t.strictSame(found.gaps, gaps, name);
  }
  // An image from scratch has no distribution, so nothing of one is missing.
  t.strictSame(inventoryOf(makeRoot(t, { app: 'x' })).gaps, []);
  t.end();
});

void t.test('distroless images: one file per package in status.d', (t) => {
  const root = makeRoot(t, {
    'usr/lib/os-release': 'ID=debian\nVERSION_ID="12"\n',
    'etc/os-release': { link: '../usr/lib/os-release' },
    'var/lib/dpkg/status.d/base': 'Package: base-files\nVersion: 12.4+deb12u5\nArchitecture: amd64\n',
    'var/lib/dpkg/status.d/libssl3': 'Package: libssl3\nSource: openssl\nVersion: 3.0.11-1\nArchitecture: amd64\n',
    'var/lib/dpkg/status.d/libssl3.md5sums': `${'0'.repeat(32)}  usr/lib/x/libssl.so.3\n`,
  });
  const { packages, gaps } = inventoryOf(root);
  t.match(packages, [{ name: 'base-files' }, { name: 'libssl3', source: { name: 'openssl', version: '3.0.11-1' } }]);
  t.equal(packages.length, 2);
  t.strictSame(gaps, []);
  t.end();
});

void t.test('a database behind a link is read; one outside of the image is not', (t) => {
  const outside = makeRoot(t, { status: stanza('outside', 'install ok installed') });
  const root = makeRoot(t, {
    'etc/os-release': 'ID=debian',
    'data/db/status': stanza('a', 'install ok installed'),
    'var/lib/dpkg': { link: '/data/db' },
  });
  t.match(inventoryOf(root).packages, [{ name: 'a', path: '/data/db/status' }]);
  const escaping = makeRoot(t, { 'var/lib/dpkg': { link: outside } });
  t.strictSame(inventoryOf(escaping).packages, []);
  t.end();
});

void t.test('arbitrary content neither throws nor hangs', (t) => {
  const root = makeRoot(t, { 'var/lib/dpkg/status': '' });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.constantFrom('', 'Package: a\nVersion: '), (bytes, start) => {
      writeFileSync(join(root, 'var/lib/dpkg/status'), Buffer.concat([Buffer.from(start), bytes]));
      return inventoryOf(root).packages.length < 10;
    }),
    { numRuns: 200 },
  );
  t.pass('no exception');
  t.end();
});
