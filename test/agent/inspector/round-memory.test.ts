import t from 'tap';
import { mapBounded } from '../../../agent/inspector/map-bounded.ts';
import { createRoundMemory } from '../../../agent/inspector/round-memory.ts';
import { treeHost } from '../../fixture/inspector/tree.ts';

t.test('what inspectors share is read once a round, what they do not is read each time', async (t) => {
  const host = treeHost(t, { '/proc/7/cgroup': 'a\n', '/proc/7/mountinfo': 'x', '/etc/passwd': 'root', '/srv/x': 'x' });
  const asked: string[] = [];
  const round = createRoundMemory().openRound({
    ...host,
    readFile: (path, limits) => {
      asked.push(path);
      return host.readFile(path, limits);
    },
  });
  const paths = ['/proc/7/cgroup', '/proc/7/mountinfo', '/etc/passwd', '/srv/x', '/proc/8/cgroup'];
  for (const path of [...paths, ...paths]) await round.readFile(path);
  t.same(
    paths.map((path) => asked.filter((each) => each === path).length),
    [1, 2, 1, 2, 1],
  );
  t.match(await round.readFile('/etc/passwd', { maxBytes: 2 }), { ok: false, code: 'tooLarge' });
  t.match(await round.readFile('/etc/passwd'), { ok: true }, 'another bound is another question');
});

t.test('the way to a file outside of /proc is read once a round', async (t) => {
  const host = treeHost(t, { '/srv/x': 'x', '/proc/7/cgroup': 'a\n' });
  const asked: string[] = [];
  const round = createRoundMemory().openRound({
    ...host,
    stat: (path) => {
      asked.push(`stat ${path}`);
      return host.stat(path);
    },
    readLink: (path) => {
      asked.push(`readLink ${path}`);
      return host.readLink(path);
    },
  });
  for (const path of ['/srv/x', '/proc/7/root', '/srv/x', '/proc/7/root']) {
    await round.stat(path);
    await round.readLink(path);
  }
  t.same(
    ['stat /srv/x', 'readLink /srv/x', 'stat /proc/7/root', 'readLink /proc/7/root'].map(
      (call) => asked.filter((each) => each === call).length,
    ),
    [1, 1, 2, 2],
  );
  t.match(await round.stat('/srv/x'), { ok: true, value: { kind: 'file', size: 1 } });
});

t.test('shared values belong to one round', async (t) => {
  const host = treeHost(t, {});
  const { openRound, shared } = createRoundMemory();
  let reads = 0;
  const read = (): Promise<number> => Promise.resolve((reads += 1));
  const [one, other] = [openRound(host), openRound(host)];
  t.same(await Promise.all([shared(one, 'x', read), shared(one, 'x', read), shared(one, 'y', read)]), [1, 1, 2]);
  t.equal(await shared(other, 'x', read), 3, 'another round');
  t.same([await shared(host, 'x', read), await shared(host, 'x', read)], [4, 5], 'outside of a round');
});

t.test('bounded work keeps the order and the bound', async (t) => {
  let running = 0;
  let most = 0;
  const results = await mapBounded([5, 1, 4, 2, 3], 2, async (item) => {
    running += 1;
    most = Math.max(most, running);
    for (let turn = 0; turn < item; turn += 1) await Promise.resolve();
    running -= 1;
    return item * 2;
  });
  t.same(results, [10, 2, 8, 4, 6]);
  t.equal(most, 2);
  t.same(await mapBounded([], 3, () => Promise.resolve(1)), []);
  await t.rejects(mapBounded([1], 1, () => Promise.reject(new Error('x'))));
});
