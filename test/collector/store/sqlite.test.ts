import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync, statfsSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import t from 'tap';
import { migrate, MIGRATIONS } from '../../../collector/store/schema.ts';
import { openSqliteStore } from '../../../collector/store/sqlite.ts';
import { cannotMount, mountSmall } from '../../component/tmpfs.ts';
import { storeConformance } from './conformance.ts';
import { all, commit, commitEvents, finding, nodeRow, T0 } from './fleet.ts';

await storeConformance(t, (t) => openSqliteStore({ path: join(t.testdir(), 'store.sqlite') }));

await t.test('a file keeps everything, and belongs to its owner', async (t) => {
  const path = join(t.testdir(), 'store.sqlite');
  const first = await openSqliteStore({ path });
  await first.putNodes([nodeRow()]);
  const events = await commitEvents(first, commit({ sequence: 1, snapshot: true, put: [finding()] }));
  await first.advance('ndjson', 1);
  for (const suffix of ['', '-wal', '-shm']) t.equal(statSync(path + suffix).mode & 0o777, 0o600, `mode of ${suffix}`);
  await first.close();
  await t.rejects(first.nodes(), { code: 'closed' });
  const second = await openSqliteStore({ path });
  t.match(await second.replicationState('n1'), { epoch: 'e1', committedSequence: 1 });
  t.same(await second.outbox(0, 10), events, 'with the same uids');
  t.equal(await second.cursor('ndjson'), 1);
  await second.close();
});

await t.test('files that are not a store are refused with a code, and not changed', async (t) => {
  const directory = t.testdir({ 'text.sqlite': 'not a database, but long enough to be looked at as one. '.repeat(40) });
  const at = (name: string): string => join(directory, name);
  await t.rejects(openSqliteStore({ path: at('text.sqlite') }), { code: 'damaged', message: /text\.sqlite/ });
  t.match(readFileSync(at('text.sqlite'), 'utf8'), /^not a database/);
  await t.rejects(openSqliteStore({ path: at('no/such/store.sqlite') }), { code: 'cannotOpen' });
  await t.rejects(openSqliteStore({ path: directory }), { code: 'cannotOpen' });

  const other = new DatabaseSync(at('other.sqlite'));
  other.exec('CREATE TABLE theirs (a)');
  other.close();
  await t.rejects(openSqliteStore({ path: at('other.sqlite') }), { code: 'notOurs' });

  await (await openSqliteStore({ path: at('newer.sqlite') })).close();
  const newer = new DatabaseSync(at('newer.sqlite'));
  newer.exec(`PRAGMA user_version = ${String(MIGRATIONS.length + 1)}`);
  newer.close();
  await t.rejects(openSqliteStore({ path: at('newer.sqlite') }), { code: 'newerVersion', message: /version/ });
});

await t.test('damage in the middle and a cut end are reported at start', async (t) => {
  const directory = t.testdir();
  for (const damage of ['overwritten', 'cut']) {
    const path = join(directory, `${damage}.sqlite`);
    const store = await openSqliteStore({ path });
    const put = Array.from({ length: 500 }, (_, index) => finding({ on: `c${String(index)}` }));
    await commitEvents(store, commit({ sequence: 1, snapshot: true, put }));
    await store.close();
    const { size } = statSync(path);
    if (damage === 'cut') truncateSync(path, Math.floor(size / 2 / 8192) * 8192);
    else {
      const file = openSync(path, 'r+');
      for (let offset = 8192; offset < size; offset += 8192) writeSync(file, Buffer.alloc(64, 0xff), 0, 64, offset);
    }
    await t.rejects(openSqliteStore({ path }), { code: 'damaged' }, damage);
  }
});

await t.test('a file that another process holds: nothing is stored, later it works', async (t) => {
  const path = join(t.testdir(), 'store.sqlite');
  const store = await openSqliteStore({ path, busyTimeoutMs: 10 });
  await commitEvents(store, commit({ sequence: 1, snapshot: true, put: [finding()] }));
  const other = new DatabaseSync(path);
  other.exec('BEGIN IMMEDIATE');
  const next = commit({ sequence: 2, put: [finding({ on: 'c2' })] });
  await t.rejects(store.commit([next]), { code: 'locked', message: /commit findings/ });
  t.equal((await all(store)).length, 1, 'reading goes on');
  other.exec('ROLLBACK');
  const [event] = await commitEvents(store, next);
  t.equal(event?.position, 2, 'no position was lost');
  other.close();
  await store.close();
});

await t.test('a disk that fills up: the whole batch is taken back, later it works', async (t) => {
  const path = join(t.testdir(), 'store.sqlite');
  const store = await openSqliteStore({ path });
  await commitEvents(store, commit({ sequence: 1, snapshot: true, put: [finding()] }));
  await store.close();
  // A real SQLITE_FULL, without a disk to fill: the largest size is set for as long as the file is open.
  const small = await openSqliteStore({ path, maxBytes: 400_000 });
  const put = Array.from({ length: 2000 }, (_, index) => finding({ on: `c${String(index)}` }));
  await t.rejects(
    small.commit([commit({ sequence: 2, put: [finding({ on: 'fits' })] }), commit({ sequence: 3, put })]),
    { code: 'full' },
  );
  t.match(await small.replicationState('n1'), { committedSequence: 1, findings: 1 }, 'nothing of the batch is there');
  await commitEvents(small, commit({ sequence: 2, put: [finding({ on: 'fits' })] }));
  await small.close();
});

await t.test('a small disk: the WAL leaves room, and gives back what it took', { skip: cannotMount() }, async (t) => {
  const directory = mountSmall(t, '24m');
  const path = join(directory, 'store.sqlite');
  const store = await openSqliteStore({ path });
  let sequence = 0;
  // Passing findings leave no events, and the same ones again take no more room in the database.
  const write = async (): Promise<void> => {
    const evidence = [{ source: String((sequence += 1)), seen: 'x'.repeat(400), expected: '' }];
    const put = Array.from({ length: 800 }, (_, index) =>
      finding({ on: `c${String(index)}`, verdict: 'pass', evidence }),
    );
    await commitEvents(store, commit({ sequence, snapshot: true, put }));
  };
  // 60 MB in all.
  for (let round = 0; round < 100; round += 1) await write();
  t.ok(statSync(`${path}-wal`).size < 6 * 1024 * 1024);
  const other = new DatabaseSync(path);
  other.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  other.close();
  await write();
  const { bavail, bsize } = statfsSync(directory);
  writeFileSync(join(directory, 'filler'), Buffer.alloc(bavail * bsize));
  await t.rejects(write(), { code: 'full' });
  await write();
  t.equal(
    (await store.replicationState('n1'))?.committedSequence,
    sequence,
    'the next one has what the WAL had before',
  );
  await store.close();
});

await t.test('migrations go forward, step by step, all or nothing', async (t) => {
  const path = join(t.testdir(), 'store.sqlite');
  const store = await openSqliteStore({ path });
  await commitEvents(store, commit({ sequence: 1, snapshot: true, put: [finding()] }));
  await store.close();
  const db = new DatabaseSync(path);
  const next = 'ALTER TABLE finding ADD COLUMN waived INTEGER NOT NULL DEFAULT 0';
  const broken = 'CREATE TABLE half (a); CREATE TABLE half (a)';
  t.throws(() => migrate(db, [...MIGRATIONS, next, broken]), /half/);
  const tables = db.prepare(`SELECT name FROM sqlite_schema WHERE name = 'half'`).all();
  t.same(tables, [], 'the broken step left nothing');
  t.match(db.prepare('SELECT waived FROM finding').get(), { waived: 0 }, 'the step before it stays');
  migrate(db, [...MIGRATIONS, next, 'CREATE TABLE whole (a)']);
  t.same(db.prepare('PRAGMA user_version').get(), { user_version: MIGRATIONS.length + 2 });
  db.close();
});

await t.test('nodes are removed: a full disk takes it back; rows go with the last of their history', async (t) => {
  const path = join(t.testdir(), 'store.sqlite');
  const put = Array.from({ length: 300 }, (_, index) => finding({ on: `c${String(index)}` }));
  const store = await openSqliteStore({ path });
  await store.putNodes([nodeRow()]);
  await commitEvents(store, commit({ sequence: 1, snapshot: true, put }));
  await store.close();
  const { size } = statSync(path);
  const small = await openSqliteStore({ path, maxBytes: size + 2 * 8192 });
  await t.rejects(small.removeNode('n1', T0), { code: 'full', message: /remove a node/ });
  t.match(await small.replicationState('n1'), { committedSequence: 1, findings: 300 });
  t.equal((await small.outbox(0, 10_000)).length, 300, 'nothing was resolved');
  await small.close();

  const again = await openSqliteStore({ path });
  t.match(await again.removeNode('n1', T0), { findings: 300, resolved: 300 });
  const db = new DatabaseSync(path);
  const rowsOf = (table: string): unknown => db.prepare(`SELECT count(*) AS rows FROM ${table}`).get()?.['rows'];
  t.same(['finding', 'subject', 'node', 'event'].map(rowsOf), [0, 0, 1, 600]);
  await again.prune(['ndjson'], T0 + 1);
  t.equal(rowsOf('node'), 1, 'a sink has not seen its events yet');
  await again.prune([], T0 + 1);
  t.same(['node', 'event', 'removed_node'].map(rowsOf), [0, 0, 0]);
  db.close();
  await again.close();
});

await t.test('killed while committing: what was answered is there', async (t) => {
  const directory = t.testdir();
  const path = join(directory, 'store.sqlite');
  const script = join(directory, 'writer.ts');
  const here = new URL('.', import.meta.url);
  writeFileSync(
    script,
    `import { openSqliteStore } from '${new URL('../../../collector/store/sqlite.ts', here).href}';
     import { commit, finding } from '${new URL('fleet.ts', here).href}';
     const store = await openSqliteStore({ path: ${JSON.stringify(path)} });
     for (let sequence = 1; ; sequence += 1) {
       // Now and then as many as fill compressed blocks of the outbox.
       const length = sequence % 40 === 0 ? 900 : 1;
       const put = Array.from({ length }, (_, index) => finding({ on: 'c' + sequence + '-' + index }));
       await store.commit([commit({ sequence, snapshot: sequence === 1, put })]);
       console.log(sequence);
     }`,
  );
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let answered = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    answered = Number(line);
    if (answered === 200) child.kill('SIGKILL');
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  t.equal(child.signalCode, 'SIGKILL');
  const store = await openSqliteStore({ path });
  const state = await store.replicationState('n1');
  t.ok(answered >= 200 && (state?.committedSequence ?? 0) >= answered, `${String(answered)} answered`);
  t.equal((await all(store)).length, state?.findings);
  const uids = new Set<string>();
  for (let position = 0; ;) {
    const page = await store.outbox(position, 10_000);
    if (page.length === 0) break;
    position = page.at(-1)?.position ?? 0;
    for (const event of page) if ('finding' in event) uids.add(event.finding.uid);
  }
  t.equal(uids.size, state?.findings, 'each with an event that can be read');
  await store.close();
});
