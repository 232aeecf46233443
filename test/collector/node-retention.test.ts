import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { isFindingEvent } from '../../collector/store/stored-event.ts';
import t from 'tap';
import { createEventBus } from '../../collector/store/event-bus.ts';
import { keepNodeRetention } from '../../collector/node-retention.ts';
import { createNodeLock } from '../../collector/session/node-lock.ts';
import { createNodeRemover } from '../../collector/session/remove-node.ts';
import { openNodeRegistry } from '../../collector/session/node-registry.ts';
import { createWriter } from '../../collector/session/writer.ts';
import { openSqliteStore } from '../../collector/store/sqlite.ts';
import { createFakeClock } from '../service/fake-clock.ts';
import { collectLines } from './session/collector.ts';
import type { Line } from './session/collector.ts';
import { commit, commitEvents, finding, nodeRow, T0 } from './store/fleet.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

await t.test('nodes that are not heard of are removed, each with a line', async (t) => {
  const path = join(t.testdir(), 'store.sqlite');
  const store = await openSqliteStore({ path, busyTimeoutMs: 1 });
  const clock = createFakeClock(T0);
  const lines: Line[] = [];
  const log = collectLines(lines);
  const eventBus = createEventBus();
  for (const [id, days] of [
    ['gone', 40],
    ['back', 40],
    ['young', 29],
  ] as const) {
    await store.putNodes([nodeRow({ id, name: id, connected: false, lastSeenMs: T0 - days * DAY_MS })]);
    await commitEvents(store, commit({ nodeId: id, sequence: 1, snapshot: true, put: [finding()] }));
  }
  const nodes = await openNodeRegistry({ store, eventBus, clock, log, writeMs: 1000 });
  const writer = createWriter({ store, eventBus, clock, log, maxQueuedFindings: 100, maxBatchFindings: 100 });
  const { remove } = createNodeRemover({
    store,
    writer,
    nodes,
    lock: createNodeLock(),
    eventBus,
    hasSession: (nodeId) => nodes.find(nodeId)?.connected === true,
    isClosing: () => false,
    clock,
    log,
  });
  const stop = new AbortController();
  const retentionMs = 30 * DAY_MS;
  const over = keepNodeRetention({
    nodes: nodes.rows,
    remove,
    retentionMs,
    intervalMs: 60_000,
    clock,
    log,
    signal: stop.signal,
  });
  const left = async (): Promise<readonly string[]> => (await store.nodes()).map(({ id }) => id);
  await clock.advance(HOUR_MS - 1000);
  t.same(await left(), ['back', 'gone', 'young'], 'the collector may have been down: they have an hour to come back');
  nodes.changeNow('back', { connected: true, lastSeenMs: clock.now() });
  const lock = new DatabaseSync(path);
  lock.exec('BEGIN IMMEDIATE');
  await clock.advance(2000);
  t.same(await left(), ['back', 'gone', 'young'], 'the store takes nothing now');
  lock.exec('ROLLBACK');
  lock.close();
  await clock.advance(2 * 60_000);
  t.same(await left(), ['back', 'young']);
  await clock.advance(DAY_MS);
  t.same(await left(), ['back'], 'its time has come');
  t.match(
    lines.filter(({ message }) => message === 'node removed').map(({ fields }) => fields),
    [
      { nodeId: 'gone', name: 'gone', findings: 1, resolved: 1, by: 'node-retention', lastSeenMs: T0 - 40 * DAY_MS },
      { nodeId: 'young' },
    ],
  );
  const resolved = (await store.outbox(0, 100)).filter(isFindingEvent).filter(({ cause }) => cause === 'nodeRemoved');
  t.same(
    resolved.map(({ finding }) => finding.nodeId),
    ['gone', 'young'],
  );
  stop.abort();
  await over;
  await nodes.close();
  await writer.close();
  await store.close();
});
