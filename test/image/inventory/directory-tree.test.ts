import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import type { Test } from 'tap';
import { openDirectoryTree } from '../../../image/inventory/directory-tree.ts';
import type { OpenFileTree, TreeFile } from '../../../image/inventory/file-tree.ts';
import { WALK_LIMITS } from '../../../image/inventory/source-tree.ts';
import { makeRoot } from '../../fixture/image-root.ts';
import type { FileSpec } from '../../fixture/image-root.ts';

const open = (t: Test, files: Readonly<Record<string, FileSpec>>, limits = WALK_LIMITS): OpenFileTree => {
  const tree = openDirectoryTree(makeRoot(t, files), { mounts: 'volume', limits });
  t.teardown(() => tree.close());
  return tree;
};
const textOf = (file: TreeFile | undefined): string | undefined =>
  file === undefined ? undefined : new TextDecoder().decode(file.read(0, 1000));
const walked = (tree: OpenFileTree): { paths: string[]; gaps: string[] } => {
  const paths: string[] = [];
  const gaps = tree.walk((file) => void paths.push(file.path));
  return { paths: paths.sort(), gaps: gaps.map(({ path, reason }) => `${path}: ${reason}`) };
};

void t.test('regular files are visited once; links are not followed by the walk', (t) => {
  const tree = open(t, { 'etc/a': '1', 'usr/lib/b': '22', lib: { link: 'usr/lib' }, 'etc/c': { link: 'a' } });
  t.strictSame(walked(tree), { paths: ['/etc/a', '/usr/lib/b'], gaps: [] });
  t.equal(tree.file('/usr/lib/b')?.sizeBytes, 2);
  t.strictSame(tree.list('/lib'), ['b']);
  t.strictSame(tree.list('/absent'), []);
  t.end();
});

void t.test('links resolve inside the root, as after chroot(2)', (t) => {
  const outside = makeRoot(t, { secret: 'outside' });
  const tree = open(t, {
    'data/real': 'inside',
    absolute: { link: '/data/real' },
    up: { link: '../../../../../../data/real' },
    escape: { link: join(outside, 'secret') },
    relative: { link: '../'.repeat(12) + join(outside, 'secret').slice(1) },
    d: { link: 'data' },
    chain: { link: 'd/../d/real' },
    loop: { link: 'loop' },
    ping: { link: 'pong' },
    pong: { link: 'ping' },
    host: { link: '/proc/1/root/etc/passwd' },
    long: { link: `${'d/../'.repeat(800)}data/real` },
    'data/other': 'beside',
    'data/out': { link: join(outside, 'secret') },
    'data/again': { link: '../d/other' },
  });
  t.equal(textOf(tree.file('/absolute')), 'inside');
  t.equal(tree.file('/absolute')?.path, '/data/real');
  t.equal(textOf(tree.file('/up')), 'inside');
  t.equal(textOf(tree.file('/chain')), 'inside');
  t.equal(textOf(tree.file('/../../data/real')), 'inside');
  // Files of one directory one after the other.
  const beside = [
    '/d/real',
    '/d/other',
    '/d/again',
    '/d/out',
    '/d/..',
    '/d/.',
    '/d/absent',
    '/d/../d/other',
    '/d/real',
  ];
  t.strictSame(
    beside.map((path) => tree.file(path)?.path),
    [
      '/data/real',
      '/data/other',
      '/data/other',
      undefined,
      undefined,
      undefined,
      undefined,
      '/data/other',
      '/data/real',
    ],
  );
  t.equal(tree.file('/d/../up')?.path, '/data/real');
  for (const path of ['/escape', '/relative', '/loop', '/ping', '/host', '/data', '/data/real/x', '/long'])
    t.equal(tree.file(path), undefined, path);
  t.equal(tree.file(`/${'a'.repeat(5000)}`), undefined);
  t.equal(tree.file('/data/real\0x'), undefined);
  t.end();
});

void t.test('FIFOs, sockets and devices are not opened', { timeout: 10_000 }, (t) => {
  const root = makeRoot(t, { file: 'x' });
  t.equal(spawnSync('mkfifo', [join(root, 'fifo')]).status, 0);
  const hasDevice = spawnSync('mknod', [join(root, 'device'), 'c', '1', '5']).status === 0;
  const tree = openDirectoryTree(root, { mounts: 'volume' });
  t.teardown(() => tree.close());
  t.strictSame(walked(tree), { paths: ['/file'], gaps: [] });
  t.equal(tree.file('/fifo'), undefined);
  if (hasDevice) t.equal(tree.file('/device'), undefined);
  // The file becomes a FIFO after it was seen.
  const file = tree.file('/file');
  rmSync(join(root, 'file'));
  spawnSync('mkfifo', [join(root, 'file')]);
  t.throws(() => file?.read(0, 10), { code: 'unreadable' });
  t.end();
});

void t.test('a directory that is exchanged for a link never leads out of the root', async (t) => {
  const outside = makeRoot(t, { 'inner/secret': 'OUTSIDE' });
  const root = makeRoot(t, { 'dir/inner/secret': 'inside' });
  symlinkSync(outside, join(root, 'evil'));
  // A second thread exchanges both names all the time, as a process of the container would.
  const worker = new Worker(
    `const { renameSync } = require('node:fs');
     const [dir, evil, aside] = require('node:worker_threads').workerData;
     for (;;) { renameSync(dir, aside); renameSync(evil, dir); renameSync(dir, evil); renameSync(aside, dir); }`,
    { eval: true, workerData: [join(root, 'dir'), join(root, 'evil'), join(root, 'aside')] },
  );
  const seen = new Set<string | undefined>();
  const end = Date.now() + 1500;
  while (Date.now() < end) {
    const tree = openDirectoryTree(root, { mounts: 'volume' });
    try {
      tree.walk((file) => void seen.add(textOf(file)));
      seen.add(textOf(tree.file('/dir/inner/secret')));
    } catch {
      // It vanished meanwhile.
    } finally {
      tree.close();
    }
  }
  await worker.terminate();
  t.ok(seen.has('inside'));
  t.notOk(seen.has('OUTSIDE'));
});

void t.test('limits of a walk are gaps, the rest is read', (t) => {
  const many = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`many/${String(index)}`, 'x']));
  const tree = open(t, { ...many, 'other/file': 'x' }, { ...WALK_LIMITS, maxDirectoryEntries: 10 });
  t.strictSame(walked(tree), {
    paths: ['/other/file'],
    gaps: ['/many: not read: more than 10 directory entries'],
  });
  t.throws(() => tree.list('/many'), { code: 'too-large' });
  const deep = open(t, { [`${'d/'.repeat(9)}file`]: 'x', top: 'x' }, { ...WALK_LIMITS, maxDepth: 5 });
  t.strictSame(walked(deep), {
    paths: ['/top'],
    gaps: ['/d/d/d/d/d/d: not read: more than 5 directories below each other'],
  });
  t.end();
});

void t.test('200 directories below each other hold no more than the bounded number of descriptors', (t) => {
  const tree = open(t, { [`${'d/'.repeat(200)}file`]: 'x' }, { ...WALK_LIMITS, maxDepth: 300 });
  let count = 0;
  let descriptors = 0;
  tree.walk((file) => {
    count += file.read(0, 10).length;
    descriptors = readdirSync('/proc/self/fd').length;
  });
  t.equal(count, 1);
  t.ok(descriptors < 150, String(descriptors));
  t.end();
});

void t.test('names that are not UTF-8 are a gap, since they cannot be opened', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'plimsoll-root-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  const bytes = (text: string): Buffer => Buffer.concat([Buffer.from(`${root}/${text}`), Buffer.from([0xff])]);
  writeFileSync(bytes('file'), 'x');
  mkdirSync(bytes('directory'));
  writeFileSync(join(root, 'real\uFFFD'), 'x');
  const tree = openDirectoryTree(root, { mounts: 'volume' });
  t.teardown(() => tree.close());
  const { paths, gaps } = walked(tree);
  t.strictSame(paths, ['/real\uFFFD']);
  t.equal(gaps.length, 2);
  t.match(gaps, [/^\/directory.*not valid UTF-8/, /^\/file.*not valid UTF-8/]);
  t.end();
});

void t.test(
  'a mount is not entered; a gap only where the root is a machine',
  { skip: process.getuid?.() !== 0 && 'not root' },
  (t) => {
    const root = makeRoot(t, { 'usr/keep': 'x', 'proc/keep': 'x' });
    mkdirSync(join(root, 'usr/volume'));
    for (const at of ['usr/volume', 'proc'])
      t.equal(spawnSync('mount', ['-t', 'tmpfs', 'tmpfs', join(root, at)]).status, 0);
    t.teardown(() => spawnSync('umount', [join(root, 'usr/volume'), join(root, 'proc')]));
    writeFileSync(join(root, 'usr/volume/file'), 'x');
    for (const mounts of ['volume', 'gap'] as const) {
      const tree = openDirectoryTree(root, { mounts });
      const wanted = mounts === 'gap' ? ['/usr/volume: not read: another file system is mounted here'] : [];
      t.strictSame(walked(tree), { paths: ['/usr/keep'], gaps: wanted }, mounts);
      t.equal(tree.file('/usr/volume/file'), undefined);
      tree.close();
    }
    t.end();
  },
);

void t.test('a directory that vanishes or is moved while the tree is open is an error of this file only', (t) => {
  const root = makeRoot(t, { 'a/file': 'x', 'b/file': 'y' });
  const tree = openDirectoryTree(root, { mounts: 'volume' });
  t.teardown(() => tree.close());
  renameSync(join(root, 'a'), join(root, 'c'));
  t.strictSame(walked(tree), { paths: ['/b/file', '/c/file'], gaps: [] });
  t.throws(() => openDirectoryTree(join(root, 'absent'), { mounts: 'volume' }), { code: 'ENOENT' });
  t.end();
});
