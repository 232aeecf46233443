import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { dockerLayout, makeTar, writeArchive } from '../fixture/image-archive.ts';
import type { TarSpec } from '../fixture/image-archive.ts';
import { makeRoot } from '../fixture/image-root.ts';
import { readSbom } from '../../image/sbom/read-sbom.ts';
import { plimsoll } from './process.ts';

const STATUS = 'Package: bash\nStatus: install ok installed\nVersion: 5.2-1\nArchitecture: amd64\n';
const FILES = { 'etc/os-release': 'ID=debian\nVERSION_ID="12"\n', 'var/lib/dpkg/status': STATUS };
const ENTRIES: readonly TarSpec[] = Object.entries(FILES);
const BASH = { type: 'deb', name: 'bash', version: '5.2-1', architecture: 'amd64', path: '/var/lib/dpkg/status' };

void t.test('a directory, as a table and for programs', async (t) => {
  const root = makeRoot(t, FILES);
  const table = await plimsoll(['image', 'scan', '--rootfs', root]);
  t.equal(table.code, 0, table.stderr);
  t.match(table.stdout, /debian 12, 1 packages[^]*deb +bash +5\.2-1/);
  t.equal(table.stderr, '');
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
