import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { openArchiveTree } from '../../../image/inventory/archive/archive-tree.ts';
import { openDirectoryTree } from '../../../image/inventory/directory-tree.ts';
import { dockerDiffIds, findDockerLayers, readFoundLayers } from '../../../image/inventory/docker-layers.ts';
import type { FileTree } from '../../../image/inventory/file-tree.ts';
import { openImageSource } from '../../../image/inventory/image-source.ts';
import { openLayerTree } from '../../../image/inventory/layer-tree.ts';
import { dockerLayout, makeTar, writeArchive } from '../../fixture/image-archive.ts';
import type { TarSpec } from '../../fixture/image-archive.ts';
import { makeRoot } from '../../fixture/image-root.ts';

const CALLS = { isExpired: () => false, onLayer: () => undefined };
const isRoot = process.getuid?.() === 0;

/** All regular files with their sizes, but for what an engine mounts over. */
function listing(tree: FileTree): string[] {
  const found: string[] = [];
  const gaps = tree.walk(({ path, sizeBytes }) => void found.push(`${path} ${String(sizeBytes)}`));
  for (const { path, reason } of gaps) found.push(`${path}: ${reason}`);
  return found
    .filter((line) => !/^\/(?:etc\/(?:hosts|hostname|resolv\.conf)|\.dockerenv|dev\/console) /.test(line))
    .sort();
}

const textOf = (tree: FileTree, path: string): string | undefined => {
  const file = tree.file(path);
  return file === undefined ? undefined : new TextDecoder().decode(file.read(0, 100));
};

void t.test('layers are merged, newest first', { skip: !isRoot && 'not root' }, (t) => {
  const whiteout = (root: string, path: string): void => {
    t.equal(spawnSync('mknod', [join(root, path), 'c', '0', '0']).status, 0);
  };
  const old = makeRoot(t, {
    'a/1': 'old',
    'a/2': 'old',
    'b/1': 'old',
    'c/1': 'old',
    'd/1': 'old',
    link: { link: 'a' },
  });
  const middle = makeRoot(t, { 'a/1': 'middle', 'b/x': '', 'c/2': 'middle', d: 'a file', 'e/1': 'middle' });
  whiteout(middle, 'b/1');
  const newest = makeRoot(t, { 'c/3': 'new', 'd/2': 'new' });
  whiteout(newest, 'e');
  const tree = openLayerTree([
    { path: newest, opaque: new Set(), gaps: [] },
    { path: middle, opaque: new Set(['/c']), gaps: [] },
    { path: old, opaque: new Set(), gaps: [] },
  ]);
  t.teardown(() => tree.close());
  const paths: string[] = [];
  t.strictSame(
    tree.walk(({ path }) => void paths.push(path)),
    [],
  );
  t.strictSame(paths.sort(), ['/a/1', '/a/2', '/b/x', '/c/2', '/c/3', '/d/2']);
  t.equal(textOf(tree, '/a/1'), 'middle');
  t.equal(textOf(tree, '/link/2'), 'old');
  t.equal(textOf(tree, '/b/1'), undefined);
  t.equal(textOf(tree, '/c/1'), undefined, 'hidden by an opaque directory');
  t.equal(textOf(tree, '/d/1'), undefined, 'below a directory that replaced a file');
  t.strictSame(tree.list('/c'), ['2', '3']);
  const one = openLayerTree([
    { path: newest, opaque: new Set(['/']), gaps: [{ path: '/x', reason: 'other' }] },
    { path: old, opaque: new Set(), gaps: [] },
  ]);
  t.strictSame(one.list('/'), ['a', 'b', 'c', 'd', 'link'], 'the kernel ignores the attribute of a root');
  t.strictSame(
    one.walk(() => undefined),
    [{ path: '/x', reason: 'other' }],
  );
  one.close();
  t.throws(() => openLayerTree([{ path: '/absent', opaque: new Set(), gaps: [] }]), { code: 'ENOENT' });
  t.end();
});

const socket = process.env['PLIMSOLL_TEST_DOCKER'];

void t.test(
  'layers of a real dockerd read as the running container and the exported image do',
  { skip: !socket ? 'no dockerd' : !isRoot && 'not root' },
  async (t) => {
    const docker = (args: readonly string[], input?: Uint8Array): Buffer => {
      const done = spawnSync('docker', ['-H', `unix://${socket ?? ''}`, ...args], { input, maxBuffer: 1024 ** 3 });
      if (done.status !== 0) throw new Error(`docker ${args[0] ?? ''}: ${done.stderr.toString()}`);
      return done.stdout;
    };
    const text = (args: readonly string[]): string => docker(args).toString().trim();
    const name = `plimsoll-layer-test:${String(process.pid)}`;
    const busybox: TarSpec = { name: 'bin/busybox', mode: 0o755, content: readFileSync('/bin/busybox') };
    const files = (folder: string): TarSpec[] => [1, 2, 3].map((each) => [`${folder}/old-${String(each)}`, 'x']);
    const layers = await Promise.all([
      makeTar([busybox, ...files('keep'), ...files('opaque/deep'), ...files('gone'), ...files('made')]),
      makeTar([
        ['opaque/deep/.wh..wh..opq', ''],
        ['opaque/deep/new', 'xx'],
        ['keep/.wh.old-2', ''],
        ['.wh.gone', ''],
      ]),
    ]);
    // Loaded: dockerd turns the markers into what overlayfs knows. Committed: overlayfs itself made the directory opaque.
    docker(['load'], await makeTar(dockerLayout(layers, [name])));
    const script = 'busybox rm -rf /made; busybox mkdir /made; echo 1 > /made/new; busybox rm /keep/old-1';
    const builder = text([
      'create',
      '--network',
      'none',
      name,
      '/bin/busybox',
      'sh',
      '-c',
      `busybox() { /bin/busybox "$@"; }; ${script}`,
    ]);
    docker(['start', '-a', builder]);
    docker(['commit', builder, name]);
    const container = text(['run', '-d', '--network', 'none', name, '/bin/busybox', 'sleep', '300']);
    t.teardown(() => {
      for (const args of [
        ['rm', '-f', container, builder],
        ['rmi', '-f', name],
      ])
        spawnSync('docker', ['-H', `unix://${socket ?? ''}`, ...args]);
    });

    const pid = text(['inspect', '-f', '{{.State.Pid}}', container]);
    const running = openDirectoryTree(`/proc/${pid}/root`, { mounts: 'volume' });
    const wanted = listing(running);
    running.close();
    t.ok(wanted.some((line) => line.startsWith('/opaque/deep/new')));
    t.notOk(wanted.some((line) => line.startsWith('/opaque/deep/old') || line.startsWith('/made/old')));

    const diffIds = JSON.parse(text(['image', 'inspect', '-f', '{{json .RootFS.Layers}}', name])) as string[];
    t.equal(diffIds.length, 3);
    const dataRoot = text(['info', '-f', '{{.DockerRootDir}}']);
    const imageId = text(['image', 'inspect', '-f', '{{.Id}}', name]);
    t.same(dockerDiffIds(dataRoot, imageId), { ok: true, diffIds });
    const config = `image/overlay2/imagedb/content/sha256/${imageId.slice('sha256:'.length)}`;
    const forged = makeRoot(t, { [config]: '{"rootfs":{"type":"layers","diff_ids":[]}}' });
    t.match(dockerDiffIds(forged, imageId), { ok: false, reason: /another digest/ });
    t.match(dockerDiffIds(forged, 'sha256:../../x'), { ok: false, reason: /no digest/ });
    t.match(dockerDiffIds('/absent', imageId), { ok: false, reason: /ENOENT/ });
    const found = findDockerLayers(dataRoot, diffIds);
    t.ok(found.ok, found.ok ? '' : found.reason);
    if (!found.ok) return;
    const located = await readFoundLayers(found.layers);
    t.ok(located.ok, located.ok ? '' : located.reason);
    if (!located.ok) return;
    const inPlace = openLayerTree(located.layers);
    t.strictSame(listing(inPlace), wanted, 'in place');
    inPlace.close();

    const archive = await openArchiveTree(writeArchive(t, docker(['save', name])), { temporaryDirectory: tmpdir() });
    t.ok(archive.ok);
    if (!archive.ok) return;
    t.strictSame(listing(archive.tree), wanted, 'as an archive');
    archive.tree.close();

    const source = await openImageSource({ kind: 'docker', dataRoot, diffIds }, CALLS);
    t.ok(source.ok);
    if (!source.ok) return;
    t.equal(source.findChange?.(), undefined);
    // Deleted while it is read: what is missing then must not be taken for absent from the image.
    docker(['rm', '-f', container, builder]);
    docker(['rmi', '-f', name]);
    t.ok(listing(source.tree).length < wanted.length);
    t.equal(source.findChange?.(), 'the image was deleted while it was read');
    source.tree.close();

    t.match(findDockerLayers('/absent', diffIds), { ok: false, reason: /ENOENT/ });
    t.match(findDockerLayers('/', ['sha256:../../etc']), { ok: false, reason: /no digest/ });
  },
);
