import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import t from 'tap';
import type { Test } from 'tap';
import { createEventBus } from '../../../collector/store/event-bus.ts';
import { createWriter } from '../../../collector/session/writer.ts';
import { openSqliteStore } from '../../../collector/store/sqlite.ts';
import type { Commit, Store } from '../../../collector/store/store.ts';
import { systemClock } from '../../../service/clock.ts';
import { commit, finding } from '../store/fleet.ts';
import { collectLines } from './collector.ts';
import type { Line } from './collector.ts';

const forEver = new AbortController().signal;

async function setUp(t: Test, { maxQueuedFindings = 1000, maxBatchFindings = 1000 } = {}) {
  const path = join(t.testdir(), 'store.sqlite');
  const store = await openSqliteStore({ path, busyTimeoutMs: 1 });
  const lines: Line[] = [];
  const events: string[] = [];
  const eventBus = createEventBus();
  eventBus.subscribe((item) => void (item.type === 'finding' && events.push(item.event.finding.nodeId)));
  /** The real store, with the sizes of its transactions written down. */
  const transactions: number[] = [];
  const counted: Pick<Store, 'commit'> = {
    commit: (batch) => {
      transactions.push(batch.length);
      return store.commit(batch);
    },
  };
  const clock = systemClock();
  const writer = createWriter({
    store: counted,
    eventBus,
    clock,
    log: collectLines(lines),
    maxQueuedFindings,
    maxBatchFindings,
  });
  t.teardown(async () => {
    await writer.close();
    await store.close();
  });
  const outcomes: string[] = [];
  const add = (next: Commit, over = forEver): Promise<void> =>
    writer.add(next, over, ({ outcome }) => void outcomes.push(`${next.nodeId} ${String(next.sequence)} ${outcome}`));
  return { path, store, writer, lines, events, transactions, outcomes, add };
}

function first(nodeId: string, findings = 1): Commit {
  const put = Array.from({ length: findings }, (_, index) => finding({ on: `c${String(index)}` }));
  return commit({ nodeId, sequence: 1, snapshot: true, put });
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

await t.test('commits of many nodes share a transaction, and are settled in order', async (t) => {
  const { add, transactions, outcomes, events } = await setUp(t);
  const nodes = Array.from({ length: 50 }, (_, index) => `n${String(index)}`);
  await Promise.all(nodes.map((nodeId) => add(first(nodeId))));
  await until(() => outcomes.length === 50);
  t.same(transactions, [50]);
  t.same(
    outcomes,
    nodes.map((nodeId) => `${nodeId} 1 applied`),
  );
  t.same(events, nodes, 'every event is on the eventBus');
});

await t.test('what comes turn by turn shares a transaction too', async (t) => {
  const { add, transactions, outcomes } = await setUp(t);
  for (let index = 0; index < 10; index += 1) {
    await add(first(`n${String(index)}`));
    await new Promise(setImmediate);
  }
  await until(() => outcomes.length === 10);
  t.same(transactions, [10]);
});

await t.test('a transaction has a size, the queue has an end', async (t) => {
  const { add, path, transactions, outcomes } = await setUp(t, { maxQueuedFindings: 30, maxBatchFindings: 20 });
  const other = new DatabaseSync(path);
  other.exec('BEGIN IMMEDIATE');
  await add(first('huge', 100));
  let waiting = 0;
  for (const nodeId of ['a', 'b', 'c', 'd']) {
    waiting += 1;
    void add(first(nodeId, 9)).then(() => (waiting -= 1));
  }
  await until(() => transactions.length >= 2);
  t.equal(waiting, 4, 'while the store does not answer, no more is taken in');
  t.same(outcomes, [], 'and nothing is answered');
  other.exec('ROLLBACK');
  other.close();
  await until(() => outcomes.length === 5);
  t.equal(waiting, 0);
  t.ok(
    transactions.every((commits) => commits <= 2),
    'two commits of ten fit',
  );
});

await t.test('a store that is locked is tried again until it works', async (t) => {
  const { add, path, outcomes, lines, transactions } = await setUp(t);
  const other = new DatabaseSync(path);
  other.exec('BEGIN IMMEDIATE');
  await add(first('n1'));
  await until(() => transactions.length >= 3);
  t.same(outcomes, []);
  other.exec('ROLLBACK');
  other.close();
  await until(() => outcomes.length === 1);
  t.same(outcomes, ['n1 1 applied']);
  t.ok(lines.some(({ level, message }) => level === 'warn' && /trying again/.test(message)));
  t.ok(lines.some(({ message }) => message === 'the store works again'));
});

await t.test('one commit that cannot be stored does not keep the others out', async (t) => {
  const { add, outcomes, lines } = await setUp(t);
  // Not a number for SQLite: a real failure of one statement in the middle of the batch.
  const broken = { ...first('broken'), sequence: Symbol('none') as unknown as number };
  await Promise.all([add(first('n1')), add(broken), add(first('n2'))]);
  await until(() => outcomes.length === 3);
  t.same(
    outcomes.map((outcome) => outcome.replace(/Symbol\(none\)/, '?')),
    ['n1 1 applied', 'broken ? failed', 'n2 1 applied'],
  );
  t.ok(lines.some(({ level, fields }) => level === 'error' && fields['nodeId'] === 'broken'));
});

await t.test('a session that is over hears nothing, but what it said is stored', async (t) => {
  const { add, store, outcomes } = await setUp(t);
  const over = new AbortController();
  await add(first('n1'), over.signal);
  over.abort();
  await add(first('n2'), over.signal);
  await add(first('n3'));
  await until(() => outcomes.length > 0);
  t.same(outcomes, ['n3 1 applied']);
  t.ok(await store.replicationState('n1'));
  t.equal(await store.replicationState('n2'), undefined, 'said after its end');
});

await t.test('closed while the store is locked: ends, and nothing is answered', async (t) => {
  const { add, path, writer, outcomes, transactions } = await setUp(t, { maxQueuedFindings: 3 });
  const other = new DatabaseSync(path);
  other.exec('BEGIN IMMEDIATE');
  await add(first('n1'));
  const stuck = [add(first('n2', 5)), add(first('n3'))];
  await until(() => transactions.length > 0);
  await writer.close();
  await Promise.all(stuck);
  t.same(outcomes, []);
  other.close();
});
