import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import t from 'tap';
import { prepareTrimHistory } from '../../../collector/store/event-share-table.ts';
import { openSqliteStore } from '../../../collector/store/sqlite.ts';
import type { Finding } from '../../../posture/finding.ts';
import { commit, commitOne, finding } from './fleet.ts';

await t.test('a node that makes very much history displaces its own, and none of another', async (t) => {
  const path = join(t.testdir(), 'store.sqlite');
  const store = await openSqliteStore({ path });
  const put = (nodeId: string, sequence: number, findings: readonly Finding[]) =>
    commitOne(store, commit({ nodeId, sequence, snapshot: sequence === 1, put: findings }));
  const many = (turn: number): readonly Finding[] =>
    Array.from({ length: 300 }, (_, index) => finding({ on: `c${String(index)}`, reason: String(turn) }));
  await put('quiet', 1, [finding()]);
  for (let sequence = 1; sequence <= 10; sequence += 1) await put('loud', sequence, many(sequence));
  const db = new DatabaseSync(path);
  t.teardown(() => db.close());
  const counts = (): unknown =>
    Object.fromEntries(
      db
        .prepare('SELECT node.id AS id, count(*) AS events FROM event JOIN node ON node.key = event.node GROUP BY 1')
        .all()
        .map(({ id, events }) => [id, events]),
    );
  const weights = (): unknown =>
    db
      .prepare('SELECT sum(weight) AS weight FROM event_share GROUP BY node ORDER BY node')
      .all()
      .map(({ weight }) => weight);
  t.same(counts(), { quiet: 1, loud: 3000 });
  t.same(weights(), [1, 3000]);
  const { trim, forget } = prepareTrimHistory(db, 1600);
  t.same(await trim(), [], 'what is in the outbox stays');
  await store.advance('sink', 3001);
  await store.prune(['sink'], 0);
  t.same(counts(), { quiet: 1, loud: 3000 }, 'the default bound is far above');
  const [trimmed] = await trim();
  t.equal(trimmed?.nodeId, 'loud');
  const left = 3000 - (trimmed?.events ?? 0);
  t.ok(left <= 1500, String(left));
  t.ok(left >= 300, 'not more than needed, in steps of a chunk');
  t.same(counts(), { quiet: 1, loud: left });
  t.same(weights(), [1, left]);
  t.equal(
    db
      .prepare('SELECT min(position) AS first FROM event WHERE node = (SELECT key FROM node WHERE id = ?)')
      .get('loud')?.['first'],
    3002 - left,
    'the oldest went',
  );
  t.same(await trim(), [], 'nothing more to do');

  // Few long events weigh as much as many.
  await put(
    'loud',
    11,
    Array.from({ length: 20 }, (_, index) => finding({ on: `${'x'.repeat(4000)}${String(index)}` })),
  );
  t.same(weights(), [1, left + 20 * 16]);
  // A node that was never seen since, and history that is too old.
  await store.advance('sink', 4000);
  await store.prune(['sink'], Date.now() * 2);
  t.same(counts(), {});
  forget(2 ** 20);
  t.same(weights(), []);
  await store.close();
});
