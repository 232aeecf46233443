import t from 'tap';
import { mapBounded } from '../../../agent/inspector/map-bounded.ts';
import { createParseCache } from '../../../agent/inspector/parse-cache.ts';
import { forOneRound } from '../../../agent/inspector/round-access.ts';
import { noAgent, nodeFact } from '../../fixture/facts.ts';
import { serveDocker } from '../../fixture/inspector/docker-api.ts';
import { treeHost } from '../../fixture/inspector/tree.ts';
import { ONE_ENGINE } from '../../fixture/one-engine.ts';

t.test('what inspectors share is read once a round, what they do not is read each time', async (t) => {
  const host = treeHost(t, { '/proc/7/comm': 'a\n', '/proc/7/mountinfo': 'x', '/etc/passwd': 'root', '/srv/x': 'x' });
  const asked: string[] = [];
  const round = forOneRound({
    host: {
      ...host,
      readFile: (path, limits) => {
        asked.push(path);
        return host.readFile(path, limits);
      },
    },
    runtime: await serveDocker(t, {}),
    prober: { probe: () => Promise.resolve({ ok: false, reason: 'no' }) },
    inventory: () => Promise.resolve(nodeFact()),
    agent: noAgent,
    engines: ONE_ENGINE,
    cache: createParseCache(),
    now: () => 0,
  });
  const paths = ['/proc/7/comm', '/proc/7/mountinfo', '/etc/passwd', '/srv/x', '/proc/8/comm'];
  for (const path of [...paths, ...paths]) await round.host.readFile(path);
  t.same(
    paths.map((path) => asked.filter((each) => each === path).length),
    [1, 2, 1, 2, 1],
  );
  const names = [{ op: 'readFile', path: '/proc/7/comm' }] as const;
  const answers = await round.host.readMany(names);
  t.match(answers, [{ ok: true }]);
  t.equal(await round.host.readMany([...names]), answers, 'questions together too');
  t.not(await round.host.readMany([{ op: 'readFile', path: '/srv/x' }]), answers);
  t.match(await round.host.readFile('/etc/passwd', { maxBytes: 2 }), { ok: false, code: 'tooLarge' });
  t.match(await round.host.readFile('/etc/passwd'), { ok: true }, 'another bound is another question');
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
