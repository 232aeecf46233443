import { spawnSync } from 'node:child_process';
import { chmodSync, linkSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { openArchiveTree } from '../../../image/inventory/archive/archive-tree.ts';
import { openDirectoryTree } from '../../../image/inventory/directory-tree.ts';
import { INVENTORY_LIMITS, takeInventory } from '../../../image/inventory/inventory.ts';
import { openLayerTree } from '../../../image/inventory/layer-tree.ts';
import { WALK_LIMITS } from '../../../image/inventory/source-tree.ts';
import type { SetuidFiles } from '../../../vulnerability/package.ts';
import { dockerLayout, makeTar, ociLayout, writeArchive } from '../../fixture/image-archive.ts';
import type { TarSpec } from '../../fixture/image-archive.ts';
import { inventoryOf, makeRoot } from '../../fixture/image-root.ts';

const pathsOf = (setuid: SetuidFiles | undefined): readonly string[] => (setuid?.files ?? []).map(({ path }) => path);

/** What find(1) finds: mode and path, sorted. */
function found(root: string): readonly string[] {
  const args = [root, '-xdev', '-type', 'f', '-perm', '/6000', '-printf', '%m /%P\\n'];
  const { status, stdout } = spawnSync('find', args, { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } });
  if (status !== 0) throw new Error(`find ended with ${String(status)}`);
  return stdout.split('\n').filter((line) => line !== '');
}

const lines = (setuid: SetuidFiles | undefined): readonly string[] =>
  (setuid?.files ?? []).map(({ path, mode }) => `${mode.toString(8)} ${path}`);

void t.test('a directory: what find(1) finds', (t) => {
  const root = makeRoot(t, {
    'bin/su': 'x',
    'bin/wall': 'x',
    'bin/both': 'x',
    'bin/sticky': 'x',
    'bin/sh': 'x',
    'a/b': '',
  });
  const modes = { 'bin/su': 0o4755, 'bin/wall': 0o2755, 'bin/both': 0o6711, 'bin/sticky': 0o1755, 'a/b': 0o4000 };
  for (const [path, mode] of Object.entries(modes)) chmodSync(join(root, path), mode);
  // New files of a setgid directory inherit its group: the directory itself runs nothing.
  chmodSync(join(root, 'a'), 0o2755);
  symlinkSync('bin/su', join(root, 'link'));
  linkSync(join(root, 'bin/su'), join(root, 'a/hardlink'));
  const { setuid } = inventoryOf(root);
  t.strictSame(lines(setuid), ['4000 /a/b', '4755 /a/hardlink', '6711 /bin/both', '4755 /bin/su', '2755 /bin/wall']);
  t.strictSame([...lines(setuid)].sort(), [...found(root)].sort());
  t.strictSame(setuid?.gaps, []);
  t.end();
});

void t.test('the programs of this machine', (t) => {
  t.strictSame([...lines(inventoryOf('/usr/bin').setuid)].sort(), [...found('/usr/bin')].sort());
  t.end();
});

void t.test('an archive: the newest layer decides, removed files do not count', async (t) => {
  const lower: readonly TarSpec[] = [
    { name: 'bin/su', mode: 0o4755, content: 'x' },
    { name: 'bin/cleaned', mode: 0o4755, content: 'x' },
    { name: 'bin/removed', mode: 0o4755, content: 'x' },
    { name: 'bin/later', mode: 0o755, content: 'x' },
    { name: 'old/ping', mode: 0o4755, content: 'x' },
  ];
  const upper: readonly TarSpec[] = [
    { name: 'bin/cleaned', mode: 0o755, content: 'x' },
    { name: 'bin/.wh.removed', content: '' },
    { name: 'bin/later', mode: 0o2755, content: 'x' },
    { name: 'bin/again', type: 'link', linkname: 'bin/su' },
    { name: 'old/.wh..wh..opq', content: '' },
  ];
  for (const layout of [dockerLayout, ociLayout]) {
    const layers = [await makeTar(lower), await makeTar(upper.slice(0, 3)), await makeTar(upper.slice(3))];
    const path = writeArchive(t, await makeTar(layout(layers)));
    const opened = await openArchiveTree(path, { temporaryDirectory: tmpdir() });
    if (!opened.ok) throw new Error(opened.reason);
    const { setuid } = takeInventory(opened.tree);
    opened.tree.close();
    t.strictSame(setuid, {
      files: [
        { path: '/bin/again', mode: 0o4755 },
        { path: '/bin/later', mode: 0o2755 },
        { path: '/bin/su', mode: 0o4755 },
      ],
      gaps: [],
    });
  }
});

void t.test('layers in place', (t) => {
  const [older, newer] = [makeRoot(t, { 'bin/su': 'x', 'bin/ping': 'x' }), makeRoot(t, { 'bin/ping': 'x' })];
  chmodSync(join(older, 'bin/su'), 0o4755);
  chmodSync(join(older, 'bin/ping'), 0o4755);
  const opaque = new Set<string>();
  const tree = openLayerTree([
    { path: newer, opaque, gaps: [] },
    { path: older, opaque, gaps: [] },
  ]);
  t.strictSame(pathsOf(takeInventory(tree).setuid), ['/bin/su']);
  tree.close();
  t.end();
});

void t.test('a walk that is cut off never looks complete', (t) => {
  const files = Object.fromEntries(
    Array.from({ length: 30 }, (_, index) => [`f${String(index).padStart(2, '0')}`, 'x']),
  );
  const root = makeRoot(t, { ...files, 'deep/a/b/c': 'x' });
  for (const name of Object.keys(files)) chmodSync(join(root, name), 0o4755);
  const many = inventoryOf(root, { limits: { ...INVENTORY_LIMITS, maxSetuidFiles: 10 } });
  t.strictSame(
    pathsOf(many.setuid),
    Object.keys(files)
      .slice(0, 10)
      .map((name) => `/${name}`),
  );
  t.match(many.setuid?.gaps, [{ path: '/', reason: /^20 further setuid or setgid files/ }]);
  t.strictSame(many.gaps, [], 'its packages are known all the same');

  let asked = 0;
  const expired = inventoryOf(root, { isExpired: () => (asked += 1) > 5 });
  t.ok((expired.setuid?.files.length ?? 30) < 30);
  t.match(expired.setuid?.gaps, [{ path: '/', reason: 'not all files were looked at' }]);

  for (const limits of [{ maxDepth: 1 }, { maxEntries: 5 }]) {
    const tree = openDirectoryTree(root, { mounts: 'volume', limits: { ...WALK_LIMITS, ...limits } });
    t.not(takeInventory(tree).setuid?.gaps.length, 0, JSON.stringify(limits));
    tree.close();
  }
  t.end();
});
