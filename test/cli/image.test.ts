import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { dockerLayout, makeTar, writeArchive } from '../fixture/image-archive.ts';
import type { TarSpec } from '../fixture/image-archive.ts';
import { makeRoot } from '../fixture/image-root.ts';
import { readSbom } from '../../image/sbom/read-sbom.ts';
import { advisory, build } from '../fixture/vulnerability-data.ts';
import { plimsoll } from './process.ts';

// Base scores 9.8 and 2.2 by the CVSS 3.1 calculator of FIRST.
const CRITICAL = 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H';
const LOW = 'CVSS:3.1/AV:N/AC:H/PR:H/UI:N/S:U/C:L/I:N/A:N';

const STATUS = 'Package: bash\nStatus: install ok installed\nVersion: 5.2-1\nArchitecture: amd64\n';
const FILES = { 'etc/os-release': 'ID=debian\nVERSION_ID="12"\n', 'var/lib/dpkg/status': STATUS };
const ENTRIES: readonly TarSpec[] = Object.entries(FILES);
const BASH = { type: 'deb', name: 'bash', version: '5.2-1', architecture: 'amd64', path: '/var/lib/dpkg/status' };

void t.test('a directory, as a table and for programs', async (t) => {
  const root = makeRoot(t, FILES);
  const table = await plimsoll(['image', 'scan', '--rootfs', root]);
  t.equal(table.code, 0, table.stderr);
  t.match(table.stdout, /debian 12, 1 packages[^]*deb +bash +5\.2-1/);
  t.match(table.stderr, /^plimsoll: vulnerabilities are not known without a database/);
  t.equal((await plimsoll(['image', 'scan', '--rootfs', root, '--packages'])).stderr, '');
  const json = await plimsoll(['image', 'scan', '--rootfs', root, '-o', 'json']);
  t.match(JSON.parse(json.stdout), {
    of: 'directory',
    complete: true,
    distribution: { id: 'debian', versionId: '12' },
    packages: [BASH],
    gaps: [],
  });
  const lines = await plimsoll(['image', 'scan', '--rootfs', root, '-o', 'ndjson']);
  t.strictSame(JSON.parse(lines.stdout), BASH);
});

void t.test('setuid and setgid files are counted, and listed for programs', async (t) => {
  const root = makeRoot(t, { ...FILES, 'bin/su': 'x', 'bin/wall': 'x' });
  chmodSync(join(root, 'bin/su'), 0o4755);
  chmodSync(join(root, 'bin/wall'), 0o2755);
  const table = await plimsoll(['image', 'scan', '--rootfs', root]);
  t.match(table.stdout, /1 packages, 2 setuid or setgid files, \d+ ms/);
  const json = await plimsoll(['image', 'scan', '--rootfs', root, '-o', 'json']);
  t.match(JSON.parse(json.stdout), {
    setuid: {
      files: [
        { path: '/bin/su', mode: '4755' },
        { path: '/bin/wall', mode: '2755' },
      ],
      gaps: [],
    },
  });
});

void t.test('vulnerabilities by risk, with what fixes them and what is not known', async (t) => {
  const directory = makeRoot(t, {
    'records.ndjson': [
      advisory(
        'DEBIAN-CVE-2026-1001',
        { ecosystem: 'Debian:12', name: 'bash' },
        [[{ introduced: '0' }, { fixed: '5.2-3' }]],
        {
          record: { aliases: ['CVE-2026-1001'], severity: [{ type: 'CVSS_V3', score: LOW }] },
        },
      ),
      advisory('DEBIAN-CVE-2026-1002', { ecosystem: 'Debian:12', name: 'bash' }, [[{ introduced: '0' }]], {
        record: {
          aliases: ['CVE-2026-1002'],
          severity: [{ type: 'CVSS_V3', score: CRITICAL }],
          summary: 'a\u001B[31mred',
        },
      }),
      // Fixed before the version that is installed.
      advisory('DEBIAN-CVE-2026-1003', { ecosystem: 'Debian:12', name: 'bash' }, [
        [{ introduced: '0' }, { fixed: '5.1-9' }],
      ]),
    ]
      .map((record) => `${JSON.stringify(record)}\n`)
      .join(''),
    'damaged.sqlite': 'this is no database',
  });
  const database = join(directory, 'vulndb.sqlite');
  const built = await build([join(directory, 'records.ndjson')], database, { builtAt: Date.now() - 60_000 });
  t.equal(built.ok, true);
  const old = join(directory, 'old.sqlite');
  await build([join(directory, 'records.ndjson')], old, { builtAt: Date.UTC(2020, 0, 1) });
  const root = makeRoot(t, FILES);
  const scan = (...args: readonly string[]) => plimsoll(['image', 'scan', '--rootfs', root, ...args]);

  const table = await scan('--vulndb', database);
  t.equal(table.code, 0, table.stderr);
  t.match(
    table.stdout,
    /VULNERABILITY +SEVERITY +RISK +PACKAGE +FIXED IN\nCVE-2026-1002 +critical [^]*\nCVE-2026-1001 +low /,
  );
  t.match(table.stdout, /CVE-2026-1001 .* 5\.2-3\n/);
  t.notMatch(table.stdout, /CVE-2026-1003/);
  t.equal(table.stderr, '');
  const document = JSON.parse((await scan('--vulndb', database, '-o', 'json')).stdout) as object;
  t.match(document, {
    packages: [BASH],
    vulnerabilities: [
      { id: 'CVE-2026-1002', severity: 'critical', package: 'bash', version: '5.2-1', fixedVersion: null },
      { id: 'CVE-2026-1001', severity: 'low', status: 'fixed', fixedVersion: '5.2-3' },
    ],
    unjudged: [],
    databaseProblem: '',
  });
  const csv = await scan('--vulndb', database, '-o', 'csv');
  t.match(
    csv.stdout,
    /^vulnerability,severity,risk,package,installed,fixed in,status,summary\r?\nCVE-2026-1002,critical,/,
  );
  t.notOk((csv.stdout + (await scan('--vulndb', database, '-o', 'wide')).stdout).includes('\u001B'));
  t.match((await scan('--vulndb', database, '--packages')).stdout, /deb +bash +5\.2-1/);
  t.match(JSON.parse((await scan('--vulndb', database, '-o', 'cyclonedx')).stdout), {
    vulnerabilities: [{ id: 'CVE-2026-1001' }, { id: 'CVE-2026-1002' }],
  });

  const outdated = await scan('--vulndb', old, '--require-complete');
  t.equal(outdated.code, 3);
  t.match(outdated.stdout, /CVE-2026-1002/);
  t.match(outdated.stderr, /vulnerabilities may be missing: the database is not current/);
  const foreign = makeRoot(t, { ...FILES, 'etc/os-release': 'ID=slackware\nVERSION_ID=15\n' });
  const unjudged = await plimsoll(['image', 'scan', '--rootfs', foreign, '--vulndb', database, '--require-complete']);
  t.equal(unjudged.code, 3);
  t.match(unjudged.stdout, /No vulnerability is known, but not everything is/);
  t.match(unjudged.stderr, /the vulnerabilities of 1 packages are not known \(bash: /);
  for (const [file, wanted] of [
    ['absent.sqlite', /vulnerabilities are not known: .*no vulnerability database/],
    ['damaged.sqlite', /vulnerabilities are not known: /],
  ] as const) {
    const failed = await scan('--vulndb', join(directory, file));
    t.equal(failed.code, 2, file);
    t.match(failed.stderr, wanted);
    t.equal(failed.stdout, '');
  }
});

void t.test('as an SBOM, which is read back as the same packages', async (t) => {
  const root = makeRoot(t, FILES);
  for (const format of ['cyclonedx', 'spdx']) {
    const done = await plimsoll(['image', 'scan', '--rootfs', root, '-o', format]);
    t.equal(done.code, 0, done.stderr);
    const read = readSbom(Buffer.from(done.stdout));
    t.match(
      read,
      { ok: true, inventory: { packages: [{ type: 'deb', name: 'bash', version: '5.2-1' }], gaps: [] } },
      format,
    );
  }
});

void t.test('gaps are reported, and are a status of their own where completeness is required', async (t) => {
  const root = makeRoot(t, { ...FILES, 'lib/apk/db/installed': 'P:bad\u001B[31m name\nV:1\n\n' });
  const given = ['image', 'scan', '--rootfs', root];
  const plain = await plimsoll(given);
  t.equal(plain.code, 0);
  t.match(plain.stderr, /packages may be missing:\n {2}\/lib\/apk\/db\/installed: apk: 1 malformed entries/);
  t.equal((await plimsoll([...given, '--require-complete'])).code, 3);
  t.match(JSON.parse((await plimsoll([...given, '-o', 'json'])).stdout), { complete: false, gaps: [{}] });
});

void t.test('an archive; names of files are escaped', async (t) => {
  const path = writeArchive(t, await makeTar(dockerLayout([await makeTar(ENTRIES)])));
  const done = await plimsoll(['image', 'scan', path, '-o', 'json']);
  t.equal(done.code, 0, done.stderr);
  t.match(JSON.parse(done.stdout), { of: 'image', imageId: /^sha256:[0-9a-f]{64}$/, packages: [BASH] });
  const damaged = join(makeRoot(t, {}), 'x\u001B[31m.tar');
  writeFileSync(damaged, 'this is no archive');
  const failed = await plimsoll(['image', 'scan', damaged]);
  t.equal(failed.code, 2);
  t.match(failed.stderr, /the archive cannot be read/);
  t.notOk(failed.stderr.includes('\u001B'));
});

void t.test('usage', async (t) => {
  const rows: readonly [readonly string[], RegExp][] = [
    [['image', 'scan'], /one of REF, ARCHIVE and --rootfs/],
    [['image', 'scan', '--rootfs', '/', 'x'], /one of REF, ARCHIVE and --rootfs/],
    [['image', 'list'], /no action list/],
    [['image', 'scan', './absent.tar'], /cannot be read: ENOENT/],
    [['image', 'scan', '--rootfs', '/absent'], /cannot be opened: ENOENT/],
    [['image', 'scan', 'a/../b', '--docker-host', 'unix:///absent.sock'], /neither a file nor the name/],
    [['image', 'scan', 'x:1', '--docker-host', 'unix:///absent.sock'], /could not be asked/],
    [['image', 'scan', 'x:1', '--timeout', '0'], /--timeout/],
  ];
  for (const [args, wanted] of rows) {
    const done = await plimsoll([...args]);
    t.equal(done.code, 2, args.join(' '));
    t.match(done.stderr, wanted);
    t.equal(done.stdout, '');
  }
});

const socket = process.env['PLIMSOLL_TEST_DOCKER'];

void t.test('an image and a running container of a real dockerd', { skip: !socket && 'no dockerd' }, async (t) => {
  const engine = `unix://${socket ?? ''}`;
  const docker = (args: readonly string[], input?: Uint8Array): string => {
    const done = spawnSync('docker', ['-H', engine, ...args], { input });
    if (done.status !== 0) throw new Error(`docker ${args[0] ?? ''}: ${done.stderr.toString()}`);
    return done.stdout.toString().trim();
  };
  const name = `plimsoll-scan-test:${String(process.pid)}`;
  const busybox: TarSpec = { name: 'bin/busybox', mode: 0o755, content: readFileSync('/bin/busybox') };
  docker(['import', '-', name], await makeTar([...ENTRIES, busybox]));
  const container = docker(['run', '-d', '--network', 'none', name, '/bin/busybox', 'sleep', '300']);
  t.teardown(() => {
    docker(['rm', '-f', container]);
    docker(['rmi', '-f', name]);
  });
  const ofImage = await plimsoll(['image', 'scan', name, '-o', 'json', '--docker-host', engine]);
  t.equal(ofImage.code, 0, ofImage.stderr);
  const imageId = docker(['image', 'inspect', '-f', '{{.Id}}', name]);
  t.match(JSON.parse(ofImage.stdout), { of: 'image', imageId, packages: [BASH], complete: true });
  const ofContainer = await plimsoll(['image', 'scan', container, '-o', 'json', '--docker-host', engine]);
  t.equal(ofContainer.code, 0, ofContainer.stderr);
  t.match(JSON.parse(ofContainer.stdout), { of: 'container', imageId, packages: [BASH], complete: true });
});
