import t from 'tap';
import { historySchema, imageSchema, toHistory, toImage } from '../../../../agent/runtime/docker/image.ts';
import { observe } from '../../../../agent/inspector/observe.ts';
import type { NodeAccess } from '../../../../agent/node-access.ts';
import { imageSchema as factSchema } from '../../../../posture/fact/image.ts';
import { seen, unreadable } from '../../../../posture/observed.ts';
import { containerFact } from '../../../fixture/container.ts';
import { factsOf } from '../../../fixture/facts.ts';
import type { Answers } from '../../../fixture/inspector/docker-api.ts';
import { recordedJson } from '../../../fixture/inspector/read.ts';
import { treeHost } from '../../../fixture/inspector/tree.ts';
import { accessTo } from '../../../fixture/inspector/access.ts';

const IMAGE = recordedJson('docker/image.json') as Record<string, unknown>;
const HISTORY = recordedJson('docker/history.json');
const ID = String(IMAGE['Id']);

function image(answer: unknown): ReturnType<typeof toImage> {
  const parsed = imageSchema.parse(answer);
  if (!parsed.ok) throw new Error(parsed.problem);
  return toImage(parsed.value, 'docker');
}

t.test('a recorded image', (t) => {
  t.same(image(IMAGE), {
    id: ID,
    runtime: 'docker',
    name: 'plimsoll-test/busybox:1',
    tags: ['plimsoll-test/busybox:1'],
    digests: [],
    createdAt: '2026-11-25T10:36:58.541002831Z',
    user: '',
    healthcheck: [],
    environmentSecrets: { state: 'absent', source: 'inspect Config.Env' },
    setuidFiles: { state: 'absent', source: 'files of the image' },
    sources: { user: 'inspect Config.User', healthcheck: 'inspect Config.Healthcheck.Test', tags: 'inspect RepoTags' },
    exposedPorts: { state: 'seen', value: [], source: 'inspect Config.ExposedPorts' },
  });
  t.end();
});

t.test('names, health checks and sparse answers', (t) => {
  t.match(image({ ...IMAGE, RepoTags: ['<none>:<none>'], RepoDigests: ['shop@sha256:ab'] }), {
    name: 'shop@sha256:ab',
    tags: [],
  });
  t.equal(image({ Id: 'sha256:ad213b78733cd9cdc46f', RepoTags: null }).name, 'ad213b78733c');
  const config = {
    User: '1000',
    Env: ['LANG=C', 'DB_PASSWORD=hunter2Xq7'],
    Healthcheck: { Test: ['CMD-SHELL', 'curl -u a:hunter2 localhost'] },
  };
  t.match(image({ ...IMAGE, Config: config }), {
    user: '1000',
    environmentSecrets: { state: 'seen', value: ['DB_PASSWORD'] },
    healthcheck: ['CMD-SHELL', 'curl -u a:[redacted] localhost'],
  });
  t.end();
});

t.test('history: oldest first, secrets taken out', (t) => {
  const parsed = historySchema.parse([
    { CreatedBy: 'ENV DB_PASSWORD=hunter2 LANG=C' },
    { CreatedBy: 'ADD rootfs.tar /' },
    {},
  ]);
  t.ok(parsed.ok);
  t.same(parsed.ok && toHistory(parsed.value), ['', 'ADD rootfs.tar /', 'ENV DB_PASSWORD=[redacted] LANG=[omitted]']);
  t.end();
});

t.test('images of running containers', async (t) => {
  const asked: string[] = [];
  const access = (answers: Answers): Promise<NodeAccess> => accessTo(t, treeHost(t, {}), answers);
  const answers = {
    [`/images/${ID}/json`]: () => {
      asked.push(ID);
      return IMAGE;
    },
    [`/images/${ID}/history`]: HISTORY,
  };
  const facts = factsOf({
    containers: seen([containerFact({ imageId: ID }), containerFact({ imageId: ID, id: 'ab'.repeat(32) })], 'x'),
    images: seen([], 'x'),
  });
  const images = await observe(await access(answers), facts, 'images');
  t.match(images, { state: 'seen', value: [{ id: ID, history: { state: 'seen', value: [''] } }] });
  t.ok(images.state === 'seen' && images.value.length === 1 && factSchema.parse(images.value[0]).ok);
  t.same(asked, [ID], 'once, although two containers use it');
  const again = await observe(await access({}), { ...facts, images }, 'images');
  t.same(again, images, 'a digest that is known is not asked for again');

  const removed = await observe(await access({}), facts, 'images');
  t.same(removed, { state: 'seen', value: [], source: 'images of running containers' });
  const silent = await access({ [`/images/${ID}/json`]: 500 });
  t.same(await observe(silent, facts, 'images'), { state: 'seen', value: [], source: 'images of running containers' });
  t.match(await observe(silent, facts, 'unobserved'), {
    // The tree of this test has no processes.
    value: [
      { kind: 'engine', id: '/proc' },
      { kind: 'image', id: ID, reason: /HTTP 500/ },
    ],
  });
  const withoutHistory = await observe(await access({ [`/images/${ID}/json`]: IMAGE }), facts, 'images');
  t.match(withoutHistory, { state: 'seen', value: [{ history: { state: 'absent' } }] });
  const blind = factsOf({ containers: unreadable('GET /containers/json', 'no') });
  t.match(await observe(await access({}), blind, 'images'), { state: 'unreadable', reason: 'no' });
});
