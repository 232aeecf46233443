import { statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import t from 'tap';
import type { Test } from 'tap';
import { openSqliteStore } from '../../../collector/store/sqlite.ts';
import type { Store } from '../../../collector/store/store.ts';
import type { StoredEvent } from '../../../collector/store/stored-event.ts';
import { createRandom } from '../../fixture/random.ts';
import { commit, commitEvents, finding, T0 } from './fleet.ts';

const SINK = 'siem';

async function setUp(t: Test, activities: ReadonlySet<'scan'> = new Set()) {
  const path = join(t.testdir(), 'store.sqlite');
  const store = await openSqliteStore({ path, activities });
  const sequences = new Map<string, number>();
  /** Changes findings of nodes in one transaction; each is an event. Returns the uids of each change. */
  const happenTogether = async (
    changes: readonly (readonly [nodeId: string, names: readonly string[]])[],
    { seen = '', on = store }: { seen?: string; on?: Store } = {},
  ): Promise<readonly (readonly string[])[]> => {
    const commits = changes.map(([nodeId, of]) => {
      const sequence = (sequences.get(nodeId) ?? 0) + 1;
      sequences.set(nodeId, sequence);
      const evidence = [{ source: String(sequence), seen, expected: '' }];
      const put = of.map((name) => finding({ check: 'container.memory-limit', on: name, evidence }));
      return commit({ nodeId, sequence, snapshot: sequence === 1, put });
    });
    const results = await on.commit(commits);
    return results.map((result) => (result.outcome === 'applied' ? result.events.map(({ uid }) => uid) : []));
  };
  const happen = async (nodeId: string, of: readonly string[], options = {}): Promise<readonly string[]> =>
    (await happenTogether([[nodeId, of]], options)).flat();
  return { path, store, happen, happenTogether };
}

/** Everything that waits for a sink, as it reads it. */
async function waiting(store: Store, sink = SINK, step = 97): Promise<readonly StoredEvent[]> {
  const events: StoredEvent[] = [];
  for (let position = await store.cursor(sink); ;) {
    const page = await store.outbox(position, step, sink);
    if (page.length === 0) return events;
    events.push(...page);
    position = page.at(-1)?.position ?? 0;
  }
}

const uidsOf = (events: readonly StoredEvent[]) => events.map(({ uid }) => uid);
const names = (count: number) => Array.from({ length: count }, (_, index) => `c${String(index)}`);

await t.test('a node that floods displaces its own events, and none of its neighbours', async (t) => {
  const { store, happen, happenTogether, path } = await setUp(t);
  const neighbours: string[] = [];
  const flood: string[] = [];
  for (let round = 0; round < 30; round += 1) {
    const small = ['n1', 'n2', 'n3'].map((node) => [node, ['a', 'b']] as const);
    const [one = [], two = [], three = [], many = []] = await happenTogether([...small, ['stolen', names(100)]]);
    neighbours.push(...one, ...two, ...three);
    flood.push(...many);
  }
  const before = await waiting(store);
  t.equal(before.length, 180 + 3000);
  t.equal(await store.dropOldest(SINK, 3180), undefined, 'not more than the limit');
  const dropped = await store.dropOldest(SINK, 1600);
  // A sixteenth less than the limit is left, so that this is seldom needed.
  t.equal(dropped?.events, 3180 - 1500);
  t.same(dropped && [...dropped.bySource], [['node/stolen', 1680]]);
  const after = await waiting(store);
  const left = new Set([...neighbours, ...flood.slice(1680)]);
  t.same(
    uidsOf(after),
    uidsOf(before).filter((uid) => left.has(uid)),
    'the newest of the flood, all of the others, in order',
  );
  const said = new Map(before.map((event) => [event.uid, event]));
  for (const event of after) t.same(event, said.get(event.uid));
  t.match(await store.backlog(SINK), { events: 1500, oldestMs: T0 });
  t.equal((await waiting(store, 'other')).length, 3180, 'another sink gets all of them');
  await store.advance('other', before.at(-1)?.position ?? 0);
  await store.prune([SINK, 'other'], 0);
  const db = new DatabaseSync(path);
  const { first } = db.prepare('SELECT min(first) AS first FROM event_detail').get() as { first: number };
  t.ok(first > (before[1000]?.position ?? 0), 'what is dropped leaves the store, though older events wait');
  db.close();
  t.same(uidsOf(await waiting(store)), uidsOf(after));
  // The rest is delivered, and the flood goes on.
  const middle = after[700]?.position ?? 0;
  await store.advance(SINK, middle);
  await store.prune([SINK, 'other'], 0);
  t.same(uidsOf(await waiting(store)), uidsOf(after.slice(701)));
  const [last = ''] = await happen('n3', ['z']);
  await happen('stolen', names(1200));
  const more = await store.dropOldest(SINK, 1600);
  t.same([...(more?.bySource.keys() ?? [])], ['node/stolen']);
  const end = uidsOf(await waiting(store));
  t.equal(end.length, 1500);
  t.same(
    end.filter((uid) => neighbours.includes(uid)),
    uidsOf(after.slice(701)).filter((uid) => neighbours.includes(uid)),
  );
  t.ok(end.includes(last));
  t.ok(statSync(path).size < 20_000_000);
  await store.close();
});

await t.test('few large events count as many: bytes are limited as well', async (t) => {
  const { store, happen } = await setUp(t);
  const small = await happen('n1', names(300));
  // 20 * 200 KiB: the size of 1,000 units of 4 KiB, far more than a tenth of the events.
  for (let round = 0; round < 20; round += 1)
    await happen('stolen', ['a'], { seen: `${String(round)}${'x'.repeat(200 * 1024)}` });
  t.equal(await store.dropOldest(SINK, 1400), undefined);
  const dropped = await store.dropOldest(SINK, 1000);
  t.same(dropped && [...dropped.bySource.keys()], ['node/stolen']);
  const left = await waiting(store);
  const bytes = left.reduce((sum, event) => sum + JSON.stringify(event).length, 0);
  t.same(uidsOf(left).slice(0, 300), small);
  t.ok(left.length > 305 && bytes < 1000 * 4096 + 300 * 1000, `${String(left.length)} events, ${String(bytes)} bytes`);
  t.equal((await store.backlog(SINK)).events, left.length);
  await store.close();
});

await t.test(
  'events of other kinds: detections and scans count for their node, of the rest a kind is a share',
  async (t) => {
    const { store, happen } = await setUp(t, new Set(['scan']));
    const privileged = async (nodeId: string, count: number): Promise<void> => {
      await commitEvents(store, commit({ nodeId, sequence: 1, snapshot: true, put: [] }));
      const put = names(count).map((on) => finding({ on }));
      await commitEvents(store, commit({ nodeId, sequence: 2, put }));
    };
    await privileged('quiet', 1);
    await privileged('stolen', 50);
    const refusal = { operation: 'enroll', nodeId: '', address: '', reason: 'r', atMs: T0, suppressed: 0 } as const;
    await store.recordRefusals([refusal, refusal]);
    await happen('n1', names(200));
    await store.recordRefusals([refusal]);
    const dropped = await store.dropOldest(SINK, 100);
    t.same(dropped && [...dropped.bySource.keys()].sort(), ['node/n1', 'node/stolen']);
    const left = await waiting(store);
    t.equal(left.filter((event) => 'operation' in event).length, 3);
    const detections = left.flatMap((event) => ('detection' in event ? event.detection.nodeId : []));
    t.equal(detections.filter((nodeId) => nodeId === 'quiet').length, 1);
    const scans = left.flatMap((event) =>
      'activity' in event && event.activity.kind === 'scan' ? event.activity.nodeId : [],
    );
    t.same(scans, ['quiet', 'n1'], 'one for each complete report; that of the third was its oldest');
    t.ok(left.length > 80 && left.length <= 94, String(left.length));
    await store.close();
  },
);

await t.test('a damaged row of retained events is counted, and does not stop the sink', async (t) => {
  const { store, happen, path } = await setUp(t);
  const first = await happen('n1', names(20));
  await happen('stolen', names(300));
  const last = await happen('n2', names(20));
  await store.dropOldest(SINK, 200);
  const before = await store.backlog(SINK);
  const db = new DatabaseSync(path);
  db.exec(`UPDATE retained_event SET content = zeroblob(20) WHERE last = (SELECT min(last) FROM retained_event)`);
  db.close();
  const left = uidsOf(await waiting(store));
  t.same(left.slice(-20), last);
  t.notOk(left.includes(first[0] ?? ''));
  const counted = await store.dropOldest(SINK, 200);
  t.equal(counted?.events, before.events - left.length);
  t.equal((await store.backlog(SINK)).events, left.length);
  await store.close();
});

await t.test('a dead letter that is replayed is not dropped, and comes once', async (t) => {
  const { store, happen } = await setUp(t);
  const [rejected = ''] = await happen('n1', ['a']);
  const events = await store.outbox(0, 1, SINK);
  await store.deadLetters.add({ sink: SINK, events, reason: 'r', atMs: T0 });
  await store.advance(SINK, events[0]?.position ?? 0);
  await happen('stolen', names(50));
  await store.deadLetters.replay({}, [SINK]);
  await happen('stolen', names(300));
  await store.dropOldest(SINK, 200);
  const left = await waiting(store);
  t.equal(left.filter(({ uid }) => uid === rejected).length, 1);
  t.equal((await store.backlog(SINK)).events, left.length);
  await store.deadLetters.purge({});
  t.equal((await waiting(store)).length, left.length - 1, 'one that is purged is not sent');
  await store.close();
});

/** The rule, said differently: while too many wait, whoever has most loses its oldest. */
function expected(events: readonly StoredEvent[], target: number): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const event of events) {
    const node = 'finding' in event ? event.finding.nodeId : '';
    counts.set(node, (counts.get(node) ?? 0) + 1);
  }
  for (let total = events.length; total > target; total -= 1) {
    const [most] = [...counts].sort(([, one], [, other]) => other - one);
    if (most !== undefined) counts.set(most[0], most[1] - 1);
  }
  return counts;
}

await t.test('random nodes, acknowledgements, restarts and limits: shares, order and counts hold', async (t) => {
  const random = createRandom(20_261_129);
  const { store: first, happenTogether, path } = await setUp(t);
  let store = first;
  let drops = 0;
  for (let round = 0; round < 40; round += 1) {
    const changes = Array.from({ length: random.between(1, 8) }, () => {
      const node = random.pick(['a', 'a', 'a', 'b', 'b', 'c', 'd']);
      return [node, names(random.between(1, node === 'a' ? 60 : 12))] as const;
    });
    await happenTogether(changes, { on: store });
    const before = await waiting(store);
    if (random.next() < 0.5) {
      const limit = random.between(32, 400);
      const target = limit - Math.floor(limit / 16);
      const dropped = await store.dropOldest(SINK, limit);
      const after = await waiting(store, SINK, random.between(1, 200));
      const uids = new Set(uidsOf(after));
      t.same(
        uidsOf(after),
        uidsOf(before).filter((uid) => uids.has(uid)),
        'in order, nothing new',
      );
      t.equal(dropped?.events ?? 0, before.length - after.length);
      if (before.length <= limit) t.equal(dropped, undefined);
      else {
        drops += 1;
        const model = expected(before, target);
        for (const [node, most] of model) {
          const of = (events: readonly StoredEvent[]) =>
            uidsOf(events.filter((event) => 'finding' in event && event.finding.nodeId === node));
          const left = of(after);
          t.ok(left.length === most || left.length === most - 1, `${node}: ${String(left.length)} of ${String(most)}`);
          t.same(left, of(before).slice(of(before).length - left.length), 'its newest');
        }
      }
      t.equal((await store.backlog(SINK)).events, after.length);
    }
    if (random.next() < 0.5) {
      const now = await waiting(store);
      await store.advance(SINK, now[random.between(0, Math.floor(now.length / 2))]?.position ?? 0);
    }
    if (random.next() < 0.3) await store.prune([SINK], 0);
    if (random.next() < 0.1) {
      await store.close();
      store = await openSqliteStore({ path });
    }
  }
  t.ok(drops > 10, String(drops));
  await store.close();
});
