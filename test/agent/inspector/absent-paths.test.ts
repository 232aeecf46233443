import { mkdirSync, renameSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { createRoundMemory } from '../../../agent/inspector/round-memory.ts';
import type { Host, Read } from '../../../agent/host/host.ts';
import { treeHost } from '../../fixture/inspector/tree.ts';
import type { Tree, TreeHost } from '../../fixture/inspector/tree.ts';

/*
 * Which paths are absent is remembered over rounds. Whatever is done to a directory, the next round must see what a host
 * without memory sees.
 */

const MINUTE_MS = 60_000;

/** A node whose files rest for a minute already, and rounds of which the calls are counted. */
function remembered(t: Test, tree: Tree) {
  const host = treeHost(t, tree);
  const asked: string[] = [];
  let laterMs = MINUTE_MS;
  const counting: Host = {
    ...host,
    stat: (path) => (asked.push(`stat ${path}`), host.stat(path)),
    list: (path, limits) => (asked.push(`list ${path}`), host.list(path, limits)),
    readFile: (path, limits) => (asked.push(`readFile ${path}`), host.readFile(path, limits)),
    readLink: (path) => (asked.push(`readLink ${path}`), host.readLink(path)),
  };
  const memory = createRoundMemory(() => Date.now() + laterMs);
  return {
    host,
    setLaterMs: (ms: number) => (laterMs = ms),
    /** What one round does with `read`, and which calls it makes. */
    round: async <T>(read: (host: Host) => Promise<T>) => {
      asked.length = 0;
      return { value: await read(memory.openRound(counting)), asked: [...asked] };
    },
  };
}

const readAll =
  (path: string) =>
  async (host: Host): Promise<readonly Read<unknown>[]> => [
    await host.stat(path),
    await host.readLink(path),
    await host.list(path),
    await host.readFile(path),
  ];

t.test('from the third round on, one stat of a directory answers for all absent paths below it', async (t) => {
  const { round } = remembered(t, { '/var/lib/x': 'x' });
  const paths = ['/var/lib/k3s/tls/ca.key', '/var/lib/k3s/db', '/var/lib/rke2'];
  const read = async (host: Host): Promise<readonly unknown[]> =>
    Promise.all([...paths.map((path) => host.stat(path)), host.list('/var/lib/k3s'), host.readFile('/var/lib/none')]);
  const first = await round(read);
  t.equal(first.asked.length, 5, 'the first round asks for nothing else');
  const second = await round(read);
  const third = await round(read);
  t.same(third.asked, ['stat /var/lib']);
  t.same([second.value, third.value], [first.value, first.value]);
  t.match(
    third.value,
    first.value.map(() => ({ ok: false, code: 'absent', reason: 'no such file or directory (ENOENT)' })),
  );
});

const CHANGES: readonly {
  readonly title: string;
  readonly tree?: Tree;
  readonly path: string;
  readonly change: (at: (path: string) => string) => void;
}[] = [
  { title: 'a file is made', path: '/etc/a/x', change: (at) => writeFileSync(at('/etc/a/x'), 'x') },
  {
    title: 'the owner of the directory makes a file and sets the times of the directory back',
    path: '/etc/a/.rhosts',
    change: (at) => {
      const { atime, mtime } = statSync(at('/etc/a'));
      writeFileSync(at('/etc/a/.rhosts'), '+');
      utimesSync(at('/etc/a'), atime, mtime);
    },
  },
  {
    title: 'another file takes the place of a file of the same directory',
    path: '/etc/a/x',
    change: (at) => renameSync(at('/etc/a/file'), at('/etc/a/x')),
  },
  {
    title: 'several directories are made at once',
    path: '/etc/a/b/c/d',
    change: (at) => {
      mkdirSync(dirname(at('/etc/a/b/c/d')), { recursive: true });
      writeFileSync(at('/etc/a/b/c/d'), 'x');
    },
  },
  {
    title: 'a directory with the file takes the place of the directory',
    tree: { '/etc/other/x': 'x' },
    path: '/etc/a/x',
    change: (at) => {
      renameSync(at('/etc/a'), at('/etc/old'));
      renameSync(at('/etc/other'), at('/etc/a'));
    },
  },
  {
    title: 'a link on the way leads to another directory',
    tree: { '/lib': '-> usr/lib', '/usr/lib/y': 'y', '/opt/lib/x': 'x' },
    path: '/lib/x',
    change: (at) => {
      rmSync(at('/lib'));
      symlinkSync('opt/lib', at('/lib'));
    },
  },
  {
    title: 'the target of a link to nothing is made in another directory',
    tree: { '/etc/a/x': '-> ../b/y', '/etc/b/z': 'z' },
    path: '/etc/a/x',
    change: (at) => writeFileSync(at('/etc/b/y'), 'y'),
  },
  {
    title: 'the target of a link to no directory is made',
    tree: { '/etc/a/sub': '-> ../b/sub', '/etc/b/z': 'z' },
    path: '/etc/a/sub/x',
    change: (at) => {
      mkdirSync(at('/etc/b/sub'));
      writeFileSync(at('/etc/b/sub/x'), 'x');
    },
  },
  {
    title: 'a file on the way becomes a directory',
    path: '/etc/a/file/x',
    change: (at) => {
      rmSync(at('/etc/a/file'));
      mkdirSync(at('/etc/a/file'));
      writeFileSync(at('/etc/a/file/x'), 'x');
    },
  },
  {
    title: 'the directory goes and comes again with the file',
    path: '/etc/a/x',
    change: (at) => {
      rmSync(at('/etc/a'), { recursive: true });
      mkdirSync(at('/etc/a'));
      writeFileSync(at('/etc/a/x'), 'x');
    },
  },
  { title: 'a link to nothing is made', path: '/etc/a/x', change: (at) => symlinkSync('nothing', at('/etc/a/x')) },
];

for (const { title, tree = {}, path, change } of CHANGES)
  t.test(`the next round sees it: ${title}`, async (t) => {
    const { host, round } = remembered(t, { '/etc/a/file': 'f', ...tree });
    for (let count = 0; count < 3; count += 1) await round(readAll(path));
    change((place) => join(host.root, place));
    const { value } = await round(readAll(path));
    t.same(value, await readAll(path)(host), 'as a host without memory');
    t.ok(
      value.some(({ ok }) => ok),
      'which shows',
    );
  });

t.test('a directory that changed a moment ago proves nothing: its time may be too coarse', async (t) => {
  const { round, setLaterMs } = remembered(t, { '/etc/a/file': 'f' });
  setLaterMs(0);
  for (let count = 0; count < 5; count += 1)
    t.ok((await round((host) => host.stat('/etc/a/x'))).asked.includes('stat /etc/a/x'));
});

t.test('each absent path is read again within an hour, and at once after the clock was set back', async (t) => {
  const { round, setLaterMs } = remembered(t, { '/etc/a/file': 'f' });
  const read = (host: Host): Promise<unknown> => host.stat('/etc/a/x');
  const isAsked = async (): Promise<boolean> => (await round(read)).asked.includes('stat /etc/a/x');
  for (let count = 0; count < 2; count += 1) await isAsked();
  t.equal(await isAsked(), false);
  setLaterMs(61 * MINUTE_MS);
  t.equal(await isAsked(), true);
  for (let count = 0; count < 2; count += 1) await isAsked();
  t.equal(await isAsked(), false, 'learned again');
  setLaterMs(60 * MINUTE_MS);
  t.equal(await isAsked(), true);
});

t.test('directories of the kernel, and paths with .. in them, are asked for each time', async (t) => {
  const { round } = remembered(t, { '/etc/a/file': 'f' });
  const paths = ['/proc/7/status', '/sys/kernel/x', '/etc/a/../x', '/etc//x'];
  for (let count = 0; count < 4; count += 1)
    for (const path of paths) t.same((await round((host: TreeHost | Host) => host.stat(path))).asked, [`stat ${path}`]);
});
