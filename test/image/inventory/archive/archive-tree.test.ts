import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import type { Test } from 'tap';
import { openArchiveTree } from '../../../../image/inventory/archive/archive-tree.ts';
import type { ArchiveOptions } from '../../../../image/inventory/archive/archive-tree.ts';
import { takeInventory } from '../../../../image/inventory/inventory.ts';
import type { Inventory } from '../../../../vulnerability/package.ts';
import { dockerLayout, makeTar, ociLayout, writeArchive } from '../../../fixture/image-archive.ts';
import type { TarSpec } from '../../../fixture/image-archive.ts';
import { makeRoot } from '../../../fixture/image-root.ts';

const OPTIONS: ArchiveOptions = { temporaryDirectory: tmpdir() };
const RELEASE: TarSpec = ['etc/os-release', 'ID=debian\nVERSION_ID="12"\n'];
const status = (...names: string[]): string =>
  names.map((name) => `Package: ${name}\nStatus: install ok installed\nVersion: 1.0\n`).join('\n');

async function inventoryOf(path: string, options: ArchiveOptions = OPTIONS): Promise<Inventory | string> {
  const opened = await openArchiveTree(path, options);
  if (!opened.ok) return opened.reason;
  try {
    return takeInventory(opened.tree);
  } finally {
    opened.tree.close();
  }
}

const names = (inventory: Inventory | string): string[] | string =>
  typeof inventory === 'string' ? inventory : inventory.packages.map(({ name }) => name);

/** The packages of an image with these layers, oldest first. */
async function packagesOf(t: Test, layers: readonly (readonly TarSpec[])[]): Promise<string[] | string> {
  const tars = await Promise.all(layers.map((layer) => makeTar(layer)));
  const inventory = await inventoryOf(writeArchive(t, await makeTar(ociLayout(tars))));
  // That no package is left is a gap of its own.
  const gaps =
    typeof inventory === 'string' ? [] : inventory.gaps.filter(({ reason }) => !reason.includes('no package of it'));
  if (gaps.length > 0) return JSON.stringify(gaps);
  return names(inventory);
}

void t.test('each form of archive and compression', async (t) => {
  const layer = await makeTar([RELEASE, ['var/lib/dpkg/status', status('a', 'b')]]);
  for (const compression of ['none', 'gzip', 'zstd'] as const) {
    const files = ociLayout([layer], compression);
    const tar = await makeTar(files);
    t.strictSame(names(await inventoryOf(writeArchive(t, tar))), ['a', 'b'], `OCI layout, ${compression}`);
    t.strictSame(names(await inventoryOf(writeArchive(t, gzipSync(tar)))), ['a', 'b'], `compressed, ${compression}`);
    const directory = makeRoot(t, Object.fromEntries(files));
    t.strictSame(names(await inventoryOf(directory)), ['a', 'b'], `directory, ${compression}`);
  }
  t.strictSame(names(await inventoryOf(writeArchive(t, await makeTar(dockerLayout([layer]))))), ['a', 'b']);
});

void t.test('layers are merged as the OCI image layout specifies', async (t) => {
  const base: TarSpec[] = [
    RELEASE,
    ['var/lib/dpkg/status.d/a', 'Package: a\nVersion: 1\n'],
    ['var/lib/dpkg/status.d/b', 'Package: b\nVersion: 1\n'],
  ];
  const c: TarSpec = ['var/lib/dpkg/status.d/c', 'Package: c\nVersion: 1\n'];
  t.strictSame(await packagesOf(t, [base, [c]]), ['a', 'b', 'c'], 'added');
  t.strictSame(await packagesOf(t, [base, [['var/lib/dpkg/status.d/.wh.a', '']]]), ['b'], 'deleted');
  t.strictSame(await packagesOf(t, [base, [['var/lib/.wh.dpkg', '']]]), [], 'a directory deleted');
  t.strictSame(
    await packagesOf(t, [base, [c, ['var/lib/dpkg/status.d/.wh..wh..opq', '']]]),
    ['c'],
    'opaque, at its end',
  );
  t.strictSame(
    await packagesOf(t, [base, [['var/lib/dpkg/status.d/.wh..wh..opq', ''], c]]),
    ['c'],
    'opaque, at its start',
  );
  t.strictSame(
    await packagesOf(t, [base, [['var/lib/dpkg/status.d/.wh.c', ''], c]]),
    ['a', 'b', 'c'],
    'own entries stay',
  );
  t.strictSame(
    await packagesOf(t, [base, [['var/lib/.wh.dpkg', '']], [c]]),
    ['c'],
    'deleted, and made again by a third layer',
  );
  t.strictSame(
    await packagesOf(t, [base, [{ name: 'var/lib/dpkg', type: 'symlink', linkname: '/none' }]]),
    [],
    'a directory replaced by a link',
  );
  t.strictSame(
    await packagesOf(t, [
      base,
      [{ name: 'var/lib/dpkg/status.d/b', linkname: 'var/lib/dpkg/status.d/a', type: 'link' }],
    ]),
    ['a', 'a'],
    'a hard link to a file of an older layer',
  );
  t.strictSame(await packagesOf(t, [base, [['./var//lib/./dpkg/status.d/a', 'Package: z\nVersion: 1\n']]]), ['b', 'z']);
  t.strictSame(await packagesOf(t, [base, [['/var/lib/dpkg/status.d/a', 'Package: z\nVersion: 1\n']]]), ['b', 'z']);
});

void t.test('content is found under another name than that of its entry', async (t) => {
  t.strictSame(
    await packagesOf(t, [
      [RELEASE, ['data/blob', status('a')], { name: 'var/lib/dpkg/status', type: 'link', linkname: 'data/blob' }],
    ]),
    ['a'],
    'a hard link',
  );
  t.strictSame(
    await packagesOf(t, [
      [RELEASE, ['data/blob', status('a')], ['data/db/x', '']],
      [{ name: 'var/lib/dpkg/status', type: 'symlink', linkname: '../../../data/blob' }],
    ]),
    ['a'],
    'a database behind a link',
  );
});

void t.test('no temporary file is left, also while the tree is open', async (t) => {
  const temporaryDirectory = mkdtempSync(join(tmpdir(), 'plimsoll-temporary-'));
  t.teardown(() => rmSync(temporaryDirectory, { recursive: true, force: true }));
  const layer = await makeTar([RELEASE, ['var/lib/dpkg/status', status('a')]]);
  const opened = await openArchiveTree(writeArchive(t, await makeTar(ociLayout([layer]))), { temporaryDirectory });
  t.ok(opened.ok);
  t.strictSame(readdirSync(temporaryDirectory), []);
  if (opened.ok) opened.tree.close();
});

void t.test('several images: one is chosen by name, none by chance', async (t) => {
  const one = dockerLayout([await makeTar([RELEASE, ['var/lib/dpkg/status', status('one')]])], ['app:1']);
  const two = dockerLayout(
    [await makeTar([RELEASE, ['var/lib/dpkg/status', status('two')]])],
    ['docker.io/library/app:2'],
  );
  const manifest = [...one, ...two]
    .filter(([name]) => name === 'manifest.json')
    .flatMap(([, bytes]) => JSON.parse(Buffer.from(bytes).toString()) as { Layers: string[] }[]);
  const [, second] = manifest;
  if (second !== undefined) second.Layers = ['1/layer.tar'];
  const files: [string, Uint8Array][] = [
    ...one.filter(([name]) => name !== 'manifest.json'),
    ...two
      .filter(([name]) => name !== 'manifest.json')
      .map(([name, bytes]): [string, Uint8Array] => [name.replace('0/', '1/'), bytes]),
    ['manifest.json', Buffer.from(JSON.stringify(manifest))],
  ];
  const path = writeArchive(t, await makeTar(files));
  t.match(await inventoryOf(path), /holds 2 images, and none was chosen/);
  t.strictSame(names(await inventoryOf(path, { ...OPTIONS, name: 'app:1' })), ['one']);
  t.strictSame(names(await inventoryOf(path, { ...OPTIONS, name: 'app:2' })), ['two']);
  t.match(await inventoryOf(path, { ...OPTIONS, name: 'other:1' }), /no image of this name/);
});

const socket = process.env['PLIMSOLL_TEST_DOCKER'];

void t.test(
  'what real docker save writes, of an image that real dockerd built',
  { skip: !socket && 'no dockerd' },
  async (t) => {
    const docker = (args: string[], input?: Uint8Array): Buffer => {
      const done = spawnSync('docker', ['-H', `unix://${socket ?? ''}`, ...args], {
        input,
        maxBuffer: 1024 ** 3,
        env: { PATH: process.env['PATH'], DOCKER_BUILDKIT: '0' },
      });
      t.equal(done.status, 0, `docker ${args[0] ?? ''}: ${done.stderr.toString()}`);
      return done.stdout;
    };
    const name = `plimsoll-archive-test:${String(process.pid)}`;
    docker(
      ['import', '-', name],
      await makeTar([RELEASE, ['var/lib/dpkg/status', status('a', 'b')], ['gone/file', 'x']]),
    );
    t.teardown(() => spawnSync('docker', ['-H', `unix://${socket ?? ''}`, 'rmi', '-f', name]));
    const saved = docker(['save', name]);
    const path = writeArchive(t, saved);
    t.strictSame(names(await inventoryOf(path)), ['a', 'b']);
    const opened = await openArchiveTree(path, OPTIONS);
    t.ok(opened.ok);
    if (opened.ok) {
      t.equal(opened.imageId, docker(['image', 'inspect', '-f', '{{.Id}}', name]).toString().trim());
      opened.tree.close();
    }
  },
);

void t.test('archives of GNU tar in each of its formats', async (t) => {
  const root = makeRoot(t, { 'etc/os-release': 'ID=debian' });
  const long = `${'directory-with-a-long-name/'.repeat(8)}var`;
  mkdirSync(join(root, long), { recursive: true });
  for (const path of ['var/lib/dpkg/status', join(long, 'file')]) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), status('a'));
  }
  for (const format of ['gnu', 'oldgnu', 'pax', 'posix', 'ustar']) {
    const made = spawnSync('tar', [`--format=${format}`, '-C', root, '-cf', '-', '.'], { maxBuffer: 1024 ** 2 * 64 });
    t.equal(made.status, 0, `${format}: ${made.stderr.toString()}`);
    const opened = await openArchiveTree(writeArchive(t, await makeTar(ociLayout([made.stdout]))), OPTIONS);
    t.ok(opened.ok, format);
    if (!opened.ok) continue;
    const paths: string[] = [];
    opened.tree.walk(({ path }) => void paths.push(path));
    t.strictSame(paths.sort(), ['/etc/os-release', `/${long}/file`, '/var/lib/dpkg/status'].sort(), format);
    t.strictSame(names(takeInventory(opened.tree)), ['a']);
    opened.tree.close();
  }
});
