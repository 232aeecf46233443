import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import t from 'tap';
import type { Detector } from '../../../../image/inventory/detector.ts';
import { inventoryOf, makeRoot } from '../../../fixture/image-root.ts';
import { buildPackages, lacksRpm, makeRpmRoot, rpmQuery } from '../../../fixture/rpm-root.ts';

const lines = (root: string): string[] =>
  inventoryOf(root).packages.map(({ name, version, architecture, modularity, vendor }) =>
    [name, version, architecture, modularity, vendor].join('\t'),
  );

void t.test('databases of rpm itself in each format', { skip: lacksRpm }, (t) => {
  const packages = buildPackages(t);
  t.equal(packages.length, 3);
  const roots = new Map<string, string>();
  for (const backend of ['sqlite', 'ndb', 'bdb'] as const) {
    const root = makeRpmRoot(t, backend, packages);
    roots.set(backend, root);
    const wanted = rpmQuery(root, backend);
    t.equal(wanted.length, 3, `${backend}: rpm lists them`);
    t.strictSame(
      lines(root),
      wanted
        .map((line) =>
          line
            .split('\t')
            .filter((_, index) => index !== 3)
            .join('\t'),
        )
        .sort(),
      backend,
    );
    const { packages: found, gaps } = inventoryOf(root);
    t.strictSame(gaps, [], backend);
    t.match(found.find(({ name }) => name === 'beta-libs')?.source, { name: 'alpha', version: '1.2~rc1-4.el9' });
    t.equal(found.find(({ name }) => name === 'alpha')?.source, undefined);
  }

  t.test('the manifest of images without a database, as rpm prints it for the image builder', (t) => {
    const format =
      '%{NAME}\\t%{VERSION}-%{RELEASE}\\t%{INSTALLTIME}\\t%{BUILDTIME}\\t%{VENDOR}\\t%{EPOCH}\\t%{SIZE}\\t%{ARCH}\\t%{EPOCHNUM}\\t%{SOURCERPM}\\n';
    const withDatabase = roots.get('sqlite') ?? '';
    const manifest = rpmQuery(withDatabase, 'sqlite', format);
    const broken = ['no columns', 'a\t1-1\t0\t0\tv\t(none)\t1\tnoarch\tnone\tx-1-1.src.rpm', '\t'.repeat(9)];
    const root = makeRoot(t, {
      'etc/os-release': 'ID=azurelinux\nVERSION_ID="3.0"\n',
      'var/lib/rpmmanifest/container-manifest-2': [...manifest, ...broken, ''].join('\n'),
    });
    const path = '/var/lib/rpmmanifest/container-manifest-2';
    const { packages: found, gaps } = inventoryOf(root);
    t.strictSame(
      found,
      // It does not name modules.
      inventoryOf(withDatabase).packages.map((one) =>
        Object.fromEntries(Object.entries({ ...one, path }).filter(([key]) => key !== 'modularity')),
      ),
    );
    t.strictSame(gaps, [{ path, reason: 'rpm-manifest: 2 malformed lines' }]);
    t.end();
  });

  t.test('files of packages are owned', (t) => {
    const manifests: Detector = {
      name: 'manifests',
      layouts: [],
      matches: ({ path }) => path.endsWith('/package.json'),
      detect: ({ path }) => ({ packages: [{ type: 'npm', name: path, version: '1', path }], gaps: [] }),
    };
    for (const root of roots.values()) {
      const copy = makeRoot(t, {
        'usr/lib/node_modules/owned/package.json': '{}',
        'usr/lib/node_modules/other/package.json': '{}',
        lib: { link: 'usr/lib' },
      });
      cpSync(join(root, 'var'), join(copy, 'var'), { recursive: true });
      const { packages: found } = inventoryOf(copy, { detectors: [manifests] });
      t.strictSame(
        found.filter(({ type }) => type === 'npm').map(({ name }) => name),
        ['/usr/lib/node_modules/other/package.json'],
      );
    }
    t.end();
  });

  t.test('a package that is only in the write-ahead log', (t) => {
    const root = makeRpmRoot(t, 'sqlite', packages.slice(0, 1));
    const path = join(root, 'var/lib/rpm/rpmdb.sqlite');
    const full = new DatabaseSync(join(roots.get('sqlite') ?? '', 'var/lib/rpm/rpmdb.sqlite'), { readOnly: true });
    const rows = full.prepare('SELECT blob FROM Packages').all();
    full.close();
    const database = new DatabaseSync(path, { enableForeignKeyConstraints: false });
    database.exec('PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; DELETE FROM Packages');
    for (const { blob } of rows) database.prepare('INSERT INTO Packages (blob) VALUES (?)').run(blob as Uint8Array);
    // Not committed: SQLite would not recover it.
    database.exec('BEGIN; DELETE FROM Packages');
    const copy = makeRoot(t, { 'etc/os-release': 'ID=almalinux' });
    cpSync(join(root, 'var'), join(copy, 'var'), { recursive: true });
    database.exec('ROLLBACK');
    database.close();
    t.ok(statSync(join(copy, 'var/lib/rpm/rpmdb.sqlite-wal')).size > 0);
    t.strictSame(lines(copy), lines(roots.get('sqlite') ?? ''));
    t.strictSame(lines(copy).length, 3);
    t.end();
  });

  t.test('behind links, and in the newer directory', (t) => {
    const root = makeRpmRoot(t, 'sqlite', packages);
    spawnSync('mkdir', ['-p', join(root, 'usr/lib/sysimage')]);
    renameSync(join(root, 'var/lib/rpm'), join(root, 'usr/lib/sysimage/rpm'));
    t.equal(lines(root).length, 3);
    symlinkSync('/usr/lib/sysimage/rpm', join(root, 'var/lib/rpm'));
    t.equal(lines(root).length, 3);
    renameSync(join(root, 'usr/lib/sysimage/rpm/rpmdb.sqlite'), join(root, 'hidden'));
    symlinkSync('/hidden', join(root, 'usr/lib/sysimage/rpm/rpmdb.sqlite'));
    t.equal(lines(root).length, 3);
    t.end();
  });

  t.test('a hostile schema has no effect', (t) => {
    const attempts: readonly [string, string, number, RegExp][] = [
      [
        'a view in place of the table',
        'ALTER TABLE Packages RENAME TO Q; CREATE VIEW Packages AS SELECT 1 AS hnum, blob FROM Q WHERE 0',
        0,
        /no table/,
      ],
      ['a trigger', 'CREATE TRIGGER t AFTER INSERT ON Packages BEGIN DELETE FROM Packages; END', 3, /^$/],
      ['no table', 'DROP TABLE Packages', 0, /one table Packages/],
      ['a column that is not the header', "UPDATE Packages SET blob = 'text'", 0, /no header/],
      [
        'an index with the name',
        'DROP TABLE Packages; CREATE TABLE x (a); CREATE INDEX Packages ON x (a)',
        0,
        /no table/,
      ],
      ['headers that are cut off', 'UPDATE Packages SET blob = substr(blob, 1, 100)', 0, /malformed/],
    ];
    for (const [name, sql, count, reason] of attempts) {
      const root = makeRpmRoot(t, 'sqlite', packages);
      const database = new DatabaseSync(join(root, 'var/lib/rpm/rpmdb.sqlite'), { enableForeignKeyConstraints: false });
      try {
        database.exec(sql);
      } finally {
        database.close();
      }
      const { packages: found, gaps } = inventoryOf(root);
      t.equal(found.length, count, name);
      t.match(
        gaps
          .map((gap) => gap.reason)
          .filter((each) => each.startsWith('rpm'))
          .join(' '),
        reason,
        name,
      );
    }
    t.end();
  });

  t.test(
    'flipped, cut and repeated bytes: bounded, never an exception, never silent when packages are lost',
    { timeout: 60_000 },
    (t) => {
      for (const [backend, name] of [
        ['sqlite', 'rpmdb.sqlite'],
        ['ndb', 'Packages.db'],
        ['bdb', 'Packages'],
      ] as const) {
        const root = makeRoot(t, { 'etc/os-release': 'ID=almalinux' });
        cpSync(join(roots.get(backend) ?? '', 'var'), join(root, 'var'), { recursive: true });
        const path = join(root, 'var/lib/rpm', name);
        const good = readFileSync(path);
        fc.assert(
          fc.property(
            fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 40 }),
            fc.nat(good.length),
            fc.boolean(),
            (flips, cut, isCut) => {
              const bad = Buffer.from(good);
              for (const [at, value] of flips) bad[at % (at % 3 === 0 ? 4096 : good.length)] = value;
              writeFileSync(path, isCut ? bad.subarray(0, cut) : bad);
              const { gaps } = inventoryOf(root);
              return gaps.every(({ reason }) => !reason.includes('internal error'));
            },
          ),
          { numRuns: 150 },
        );
        writeFileSync(path, good.subarray(0, Math.floor(good.length / 2)));
        t.ok(inventoryOf(root).gaps.length > 0, `${backend}: half of the file is a gap`);
      }
      t.end();
    },
  );
  t.end();
});

void t.test('keys that were imported are no packages; a real database of this machine is readable', (t) => {
  const own = '/var/lib/rpm/rpmdb.sqlite';
  if (!existsSync(own)) return t.end();
  const root = makeRoot(t, { 'var/lib/rpm/rpmdb.sqlite': readFileSync(own) });
  t.notOk(inventoryOf(root).packages.some(({ name }) => name === 'gpg-pubkey'));
  return t.end();
});
