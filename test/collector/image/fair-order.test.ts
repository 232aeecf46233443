import { join } from 'node:path';
import t from 'tap';
import { inTurn } from '../../../collector/image/fair-order.ts';
import { followRunningImages, imageIdsOf } from '../../../collector/image/running-images.ts';
import { createEventBus } from '../../../collector/store/event-bus.ts';
import { openSqliteStore } from '../../../collector/store/sqlite.ts';
import { nodeRow } from '../store/fleet.ts';

void t.test('lists in turn', (t) => {
  t.same(inTurn([]), []);
  t.same(inTurn([[1, 2, 3], [], [4], [5, 1]]), [1, 4, 5, 2, 3]);
  t.same(inTurn([[1, 1, 1, 2], [3]], 2), [1, 3]);
  t.end();
});

void t.test('a node with very many images takes no room from others', async (t) => {
  const store = await openSqliteStore({ path: join(t.testdir(), 'store.sqlite') });
  t.teardown(() => store.close());
  const eventBus = createEventBus();
  const container = (imageId: string, image = imageId) => ({ id: imageId, name: 'c', image, imageId, startedAt: '' });
  const forged = Array.from({ length: 5000 }, (_, index) => container(`forged-${String(index)}`));
  const names = Array.from({ length: 40 }, (_, index) => container('shared', `forged-name-${String(index)}`));
  await store.putNodes([
    nodeRow({ id: 'a-liar', containers: [...names, ...forged] }),
    nodeRow({ id: 'honest', containers: [container('one'), container('shared', 'shop/db:1'), container('two')] }),
  ]);
  const running = await followRunningImages(store, eventBus);
  const ids = running.imageIds();
  for (const id of ['one', 'shared', 'two']) t.ok(ids.indexOf(id) < 50 && ids.includes(id), id);
  t.ok(running.namesOf('shared').includes('shop/db:1'));
  const summary = running.describe([{ packageKey: 1, imageId: 'shared' }]);
  t.match(summary, { containerCount: 41, nodeCount: 2 });
  t.ok(summary.containers.some(({ nodeId }) => nodeId === 'honest'));
  const resting = Array.from({ length: 2000 }, (_, index) => ({
    nodeId: 'a-liar',
    imageId: `resting-${String(index)}`,
  }));
  const all = imageIdsOf(running, [...resting, { nodeId: 'honest', imageId: 'own' }]);
  t.ok(all.indexOf('own') < ids.length + 2, 'after those that run');
  eventBus.publish({ type: 'node', node: nodeRow({ id: 'honest', containers: [container('three')] }) });
  t.ok(running.imageIds().includes('three') && !running.imageIds().includes('two'), 'as nodes change');
});
