import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import t from 'tap';
import { openHealingStore } from '../../../collector/store/healing.ts';
import { MIGRATIONS } from '../../../collector/store/schema.ts';
import { openSqliteStore } from '../../../collector/store/sqlite.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import type { FakeClock } from '../../service/fake-clock.ts';
import { cannotMount, mountSmall } from '../../component/tmpfs.ts';
import { collectLines } from '../session/collector.ts';
import type { Line } from '../session/collector.ts';
import { storeConformance } from './conformance.ts';
import { DAMAGE, damageOpenFile, overwrite } from './damage.ts';
import { all, commit, commitEvents, commitOne, finding, nodeRow, T0 } from './fleet.ts';

async function open(path: string, clock: FakeClock = createFakeClock(T0)) {
  const lines: Line[] = [];
  const replaced: number[] = [];
  const onReplaced = (): void => void replaced.push(clock.now());
  const healing = await openHealingStore({ path, clock, log: collectLines(lines), onReplaced, busyTimeoutMs: 5 });
  return { ...healing, clock, lines, replaced };
}

/** A closed file with 500 open findings, of whose events a sink has taken 480. Answers the newest position. */
async function writeStore(path: string): Promise<number> {
  const store = await openSqliteStore({ path });
  await store.putNodes([nodeRow()]);
  const put = Array.from({ length: 500 }, (_, index) => finding({ on: `c${String(index)}` }));
  const events = await commitEvents(store, commit({ sequence: 1, snapshot: true, put }));
  await store.advance('ndjson', 480);
  await store.close();
  return events.at(-1)?.position ?? 0;
}

function quarantinedBeside(path: string): readonly string[] {
  return readdirSync(dirname(path)).filter((name) => name.startsWith(`${basename(path)}.damaged-`));
}

await storeConformance(t, async (t) => (await open(join(t.testdir(), 'store.sqlite'))).store);

for (const [name, damage] of Object.entries(DAMAGE)) {
  await t.test(`${name}: reported at the start, quarantined, and the store works`, async (t) => {
    const path = join(t.testdir(), 'store.sqlite');
    const position = await writeStore(path);
    damage(path);
    const bytes = readFileSync(path);
    const { store, quarantined, lines, replaced } = await open(path);
    t.equal(quarantined()?.path, `${path}.damaged-2026-06-01T00-00-00.000Z`);
    t.equal(quarantined()?.atMs, T0);
    t.ok(bytes.equals(readFileSync(quarantined()?.path ?? '')), 'the damaged file is as it was');
    t.equal(statSync(path).mode & 0o777, 0o600);
    const [line] = lines;
    t.match(line, { level: 'error', message: /damaged .* quarantined/, fields: { quarantined: quarantined()?.path } });
    t.same(replaced, [], 'nobody is there yet who could be asked');
    t.same(await all(store), []);
    t.match(await commitOne(store, commit({ sequence: 2, put: [finding()] })), { outcome: 'gap' }, 'a resync follows');
    const [event] = await commitEvents(store, commit({ sequence: 3, snapshot: true, put: [finding()] }));
    t.ok((event?.position ?? 0) > position, 'positions go on');
    t.same(await store.outbox(position, 10), [event], 'who has read up to there goes on');
    await store.close();
    const again = await open(path);
    t.match(again.quarantined(), { atMs: T0 }, 'known as long as the file is there');
    t.same((await all(again.store)).length, 1);
    t.same(again.lines, []);
    await again.store.close();
  });
}

await t.test('what the old file still tells of the outbox is said', async (t) => {
  const path = join(t.testdir(), 'store.sqlite');
  await writeStore(path);
  // The last pages are those of findings and events.
  const pages = statSync(path).size / 8192;
  const db = new DatabaseSync(path, { readOnly: true });
  const root = Number(db.prepare(`SELECT rootpage FROM sqlite_schema WHERE name = 'finding'`).get()?.['rootpage']);
  db.close();
  t.ok(root < pages);
  overwrite(path, (root - 1) * 8192, Buffer.alloc(8192));
  const { store, lines } = await open(path);
  t.match(lines[0]?.fields, { undelivered: { ndjson: 20 } });
  await store.close();
});

await t.test('a WAL full of garbage: what it held is gone, the rest is there', async (t) => {
  const path = join(t.testdir(), 'store.sqlite');
  await writeStore(path);
  writeFileSync(`${path}-wal`, Buffer.alloc(100_000, 0xa5));
  const { store, quarantined } = await open(path);
  t.equal((await all(store)).length, 500);
  t.equal(quarantined(), undefined);
  await store.close();
});

await t.test('what is not damaged is left where it is, with a clear word', async (t) => {
  const directory = t.testdir({ 'a-directory': {} });
  const at = (name: string): string => join(directory, name);
  await writeStore(at('newer'));
  const newer = new DatabaseSync(at('newer'));
  newer.exec(`PRAGMA user_version = ${String(MIGRATIONS.length + 1)}`);
  newer.close();
  await t.rejects(open(at('newer')), { code: 'newerVersion', message: /the file has version \d+, this program reads/ });
  await writeStore(at('newer-and-damaged'));
  const both = new DatabaseSync(at('newer-and-damaged'));
  both.exec(`PRAGMA user_version = ${String(MIGRATIONS.length + 1)}`);
  both.close();
  DAMAGE['pages in the middle zeroed']?.(at('newer-and-damaged'));
  await t.rejects(open(at('newer-and-damaged')), { code: 'newerVersion' });
  const older = new DatabaseSync(at('older'));
  // As the program wrote it before the versions were numbered anew.
  older.exec('CREATE TABLE finding (node INTEGER, subject TEXT, check_id TEXT, rank INTEGER)');
  older.exec('PRAGMA application_id = 0x504c494d; PRAGMA user_version = 4');
  older.close();
  const written = readFileSync(at('older'));
  await t.rejects(open(at('older')), {
    code: 'olderVersion',
    message: /cannot be upgraded: move it away; the nodes send/,
  });
  t.ok(written.equals(readFileSync(at('older'))), 'untouched');
  const other = new DatabaseSync(at('other'));
  other.exec('CREATE TABLE theirs (a)');
  other.close();
  await t.rejects(open(at('other')), { code: 'notOurs', message: /database of another program/ });
  await t.rejects(open(at('a-directory')), { code: 'cannotOpen', message: /no regular file/ });
  t.same(
    readdirSync(directory).filter((name) => name.includes('.damaged-')),
    [],
  );
});

await t.test('positions that cannot be are corrected: nothing is lost, nothing gets another id', async (t) => {
  for (const [name, sql, expected] of [
    ['a sink ahead', `UPDATE cursor SET position = position + 100000`, /the sink ndjson \(100480 to 0\)/],
    ['the last position behind', 'UPDATE store SET position = position - 300', /the last event \(\d+ to \d+\)/],
  ] as const) {
    const path = join(t.testdir(), 'store.sqlite');
    const position = await writeStore(path);
    const before = await openSqliteStore({ path });
    const events = await before.outbox(0, 1000);
    await before.close();
    const db = new DatabaseSync(path);
    db.exec(sql);
    db.close();
    const { store, lines, issues, quarantined } = await open(path);
    t.equal(quarantined(), undefined, name);
    t.match(lines, [{ level: 'error', message: /position in the store was damaged/ }], name);
    t.match(issues(), [{ code: 'storeRepaired', text: expected }], name);
    const cursor = await store.cursor('ndjson');
    t.ok(cursor <= 480, `${name}: the sink gets what it may not have`);
    t.strictSame(await store.outbox(0, 1000), events, `${name}: the same events with the same ids`);
    const [next] = await commitEvents(store, commit({ sequence: 2, put: [finding({ on: 'new' })] }));
    t.equal(next?.position, position + 1, `${name}: positions go on`);
    await store.close();
    const again = await open(path);
    t.same(again.issues(), [], 'until the next start');
    await again.store.close();
  }
});

await t.test('a last position that is damaged while the store is open: the commit is stored', async (t) => {
  const path = join(t.testdir(), 'store.sqlite');
  const position = await writeStore(path);
  const { store, issues } = await open(path);
  const db = new DatabaseSync(path);
  db.exec('UPDATE store SET position = position - 300');
  db.close();
  const [next] = await commitEvents(store, commit({ sequence: 2, put: [finding({ on: 'new' })] }));
  t.equal(next?.position, position + 1);
  t.match(issues(), [{ code: 'storeRepaired' }]);
  await store.close();
});

await t.test('a file of the store that is removed while it is open is noticed', async (t) => {
  for (const file of ['', '-wal']) {
    const path = join(t.testdir(), 'store.sqlite');
    await writeStore(path);
    const { store, isInPlace } = await open(path);
    await commitEvents(store, commit({ sequence: 2, put: [finding({ on: 'one' })] }));
    t.ok(isInPlace());
    rmSync(`${path}${file}`);
    t.notOk(isInPlace(), `store.sqlite${file}`);
    await store.close();
  }
});

await t.test('a read-only file system', { skip: cannotMount() }, async (t) => {
  const directory = mountSmall(t, '16m');
  const path = join(directory, 'store.sqlite');
  await writeStore(path);
  execFileSync('mount', ['-o', 'remount,ro', directory]);
  await t.rejects(open(path), { code: 'notWritable', message: /the file system is read-only/ });
  t.same(quarantinedBeside(path), []);
});

await t.test('damage that is noticed while it runs: replaced, and what was being done is done', async (t) => {
  for (const using of ['commit', 'findings'] as const) {
    const path = join(t.testdir(), 'store.sqlite');
    const position = await writeStore(path);
    const { store, quarantined, replaced, lines } = await open(path);
    damageOpenFile(path);
    if (using === 'findings') t.same(await all(store), []);
    else {
      const next = commit({ sequence: 2, snapshot: true, put: [finding({ on: 'c1', evidence: [] })] });
      const [event] = await commitEvents(store, next);
      t.match(event, { action: 'opened' }, 'nothing is known any more');
      t.ok((event?.position ?? 0) > position);
    }
    t.same(replaced, [T0], 'the nodes are asked');
    t.ok(existsSync(quarantined()?.path ?? ''));
    t.equal(lines.filter(({ level }) => level === 'error').length, 1);
    await store.close();
  }
});

await t.test('a disk that damages everything: three files are kept, and once a minute is enough', async (t) => {
  const path = join(t.testdir(), 'store.sqlite');
  await writeStore(path);
  const { store, clock, replaced } = await open(path);
  const put = Array.from({ length: 500 }, (_, index) => finding({ on: `c${String(index)}` }));
  const write = (sequence: number): Promise<unknown> => commitEvents(store, commit({ sequence, snapshot: true, put }));
  for (let round = 1; round <= 5; round += 1) {
    damageOpenFile(path);
    if (round > 1) await t.rejects(write(round), { code: 'damaged' }, 'too soon');
    await clock.advance(61_000);
    await write(round);
  }
  t.equal(replaced.length, 5);
  t.equal(quarantinedBeside(path).filter((name) => !/-(wal|shm)$/.test(name)).length, 3);
  await store.close();
});
