import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { isDeepStrictEqual } from 'node:util';
import t from 'tap';
import { migrate, MIGRATIONS } from '../../../collector/store/schema.ts';
import { openSqliteStore } from '../../../collector/store/sqlite.ts';
import type { Store } from '../../../collector/store/store.ts';
import type { OutboxEvent, StoredEvent } from '../../../collector/store/stored-event.ts';
import { commit, commitEvents, finding, T0 } from './fleet.ts';

/** The version of the file before details were apart from events. */
const BEFORE = MIGRATIONS.findIndex((sql) => sql.includes('CREATE TABLE event_detail'));

/** Everything in the outbox, read in steps as a sink does. */
async function readAll(store: Store, step: number): Promise<readonly StoredEvent[]> {
  const events: StoredEvent[] = [];
  for (;;) {
    const page = await store.outbox(events.at(-1)?.position ?? 0, step);
    if (page.length === 0) return events;
    events.push(...page);
  }
}

/** Text that a general compressor cannot shorten much. */
function noise(seed: number, length: number): string {
  let text = '';
  for (let state = seed + 1; text.length < length;) {
    state = (state * 48_271) % 2_147_483_647;
    text += state.toString(36);
  }
  return text.slice(0, length);
}

await t.test('events say the same from the outbox, whatever the size of their commits', async (t) => {
  const path = join(t.testdir(), 'store.sqlite');
  let store = await openSqliteStore({ path });
  const written: OutboxEvent[] = [];
  let number = 0;
  // Small and large commits, findings of every size, line breaks in what a node says, and events of other tables between.
  for (const [index, size] of [1, 700, 2, 40, 1, 1500, 3, 3, 300, 1].entries()) {
    const put = Array.from({ length: size }, () => {
      number += 1;
      const seen = number % 200 === 0 ? noise(number, 40_000) : `line ${String(number)}\n1 [\\"\u2028 ü`;
      return finding({ on: `c${String(number)}`, evidence: [{ source: 's', seen, expected: noise(number, 300) }] });
    });
    written.push(...(await commitEvents(store, commit({ sequence: index + 1, snapshot: index === 0, put }))));
    const refusal = { operation: 'enroll', nodeId: '', address: '', reason: 'r', atMs: T0, suppressed: 0 } as const;
    if (index % 2 === 0) await store.recordRefusals([refusal]);
    if (index === 5) {
      await store.close();
      store = await openSqliteStore({ path });
    }
  }
  // What a commit answers was never in the file.
  const findings = (await readAll(store, 333)).filter((event) => 'finding' in event);
  t.equal(findings.length, written.length);
  t.ok(isDeepStrictEqual(findings, written));
  for (const index of [0, 700, 701, 1400, 2250, 2550]) {
    const event = written[index];
    t.same(await store.outbox((event?.position ?? 0) - 1, 1), [event], `event ${String(index)} alone`);
  }
  const middle = written[1200]?.position ?? 0;
  await store.advance('ndjson', middle);
  await store.prune(['ndjson'], 0);
  t.same((await store.outbox(0, 1))[0], written[1201], 'what still waits stays whole');
  await store.prune([], 0);
  const db = new DatabaseSync(path);
  t.match(db.prepare('SELECT count(*) AS rows FROM event_detail').get(), { rows: 0 }, 'details leave with the outbox');
  db.close();
  t.equal((await store.history({ limit: 10_000 })).entries.length, written.length, 'history stays');
  await store.close();
});

await t.test('an event that waits takes 250 bytes at most, also after many small commits', async (t) => {
  const path = join(t.testdir(), 'store.sqlite');
  const store = await openSqliteStore({ path });
  const db = new DatabaseSync(path);
  const read = (sql: string): number => Number(Object.values(db.prepare(sql).get() ?? {})[0]);
  const [NODES, ROUNDS] = [150, 120];
  const expected = 'CapEff without CAP_SYS_ADMIN, CAP_SYS_MODULE, CAP_SYS_PTRACE';
  const uids: string[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    // About 80,000 characters.
    const batch = Array.from({ length: NODES }, (_, node) => {
      const id = noise(node * ROUNDS + round, 64);
      const source = `/proc/${String(4000 + node + round)}/status, docker inspect ${id.slice(0, 12)}`;
      const seen = 'CapEff: 000001ffffffffff, CapBnd: 000001ffffffffff, HostConfig.Privileged: true';
      const evidence = Array.from({ length: 3 }, () => ({ source, seen, expected }));
      const subject = { kind: 'container', id, name: `shop-${String(round)}` } as const;
      const put = [finding({ check: 'container.memory-limit', evidence, subject })];
      return commit({ nodeId: `node-${String(node)}`, sequence: round + 1, snapshot: round === 0, put });
    });
    for (const result of await store.commit(batch))
      if (result.outcome === 'applied') uids.push(...result.events.map(({ uid }) => uid));
  }
  t.equal(uids.length, NODES * ROUNDS);
  const loose = read(`SELECT sum(length(content)) FROM event_detail WHERE typeof(content) = 'text'`);
  t.ok(loose > 0 && loose < 4.5 * 1024 * 1024, `${String(loose)} characters wait as text`);
  const compressed = `typeof(content) = 'blob'`;
  const events = read(
    `SELECT count(*) FROM event WHERE position <= (SELECT max(last) FROM event_detail WHERE ${compressed})`,
  );
  const row = read(`SELECT sum(pgsize) FROM dbstat WHERE name IN ('event', 'event_finding')`) / uids.length;
  const detail = read(`SELECT sum(length(content)) FROM event_detail WHERE ${compressed}`) / events;
  t.ok(events > 5_000 && row > 50 && row + detail <= 250, `${row.toFixed(0)} + ${detail.toFixed(0)} bytes an event`);
  t.ok(
    isDeepStrictEqual(
      (await readAll(store, 500)).map(({ uid }) => uid),
      uids,
    ),
    'all of them, in order',
  );
  // All of it is shipped, but still counted as waiting.
  await store.prune([], T0);
  const evidence = [{ source: 's', seen: noise(1, 60_000), expected: '' }];
  for (let sequence = 1; sequence <= 20; sequence += 1) {
    const put = [finding({ check: 'container.memory-limit', on: String(sequence), evidence })];
    await commitEvents(store, commit({ nodeId: 'last', sequence, snapshot: sequence === 1, put }));
  }
  t.equal((await readAll(store, 500)).length, 20);
  t.ok(read(`SELECT count(*) FROM event_detail WHERE ${compressed}`) <= 7, 'only whole blocks are compressed');
  db.close();
  await store.close();
});

await t.test('a disk that fills up while blocks are written: nothing that was answered is lost', async (t) => {
  const path = join(t.testdir(), 'store.sqlite');
  let store = await openSqliteStore({ path, maxBytes: 9 * 1024 * 1024 });
  const written: OutboxEvent[] = [];
  let sequence = 1;
  const write = async (): Promise<void> => {
    const evidence = Array.from({ length: 6 }, (_, index) => ({
      source: noise(sequence * 7 + index, 15_000),
      seen: '',
      expected: '',
    }));
    // The same finding again: what grows is the outbox.
    written.push(
      ...(await commitEvents(store, commit({ sequence, snapshot: sequence === 1, put: [finding({ evidence })] }))),
    );
    sequence += 1;
  };
  await t.rejects(
    async () => {
      for (;;) await write();
    },
    { code: 'full' },
  );
  t.ok(written.length > 60, `${String(written.length)} events of 90 kB`);
  t.ok(isDeepStrictEqual(await readAll(store, 7), written));
  await store.close();
  store = await openSqliteStore({ path, maxBytes: 9 * 1024 * 1024 });
  t.ok(isDeepStrictEqual(await readAll(store, 500), written), 'after a restart as well');
  await store.advance('ndjson', written[40]?.position ?? 0);
  await store.prune(['ndjson'], 0);
  for (let more = 0; more < 20; more += 1) await write();
  const waiting = await readAll(store, 500);
  t.ok(isDeepStrictEqual(waiting, written.slice(41)), 'what sinks have makes room for what comes');
  await store.close();
});

await t.test('what waits in a file of an earlier version is delivered after the update', async (t) => {
  const path = join(t.testdir(), 'store.sqlite');
  const old = new DatabaseSync(path);
  migrate(old, MIGRATIONS.slice(0, BEFORE));
  const detail = JSON.stringify(['The container is not privileged', '/proc/7/status', 'CapEff: 1', 'CapEff: 0']);
  old.exec(`INSERT INTO node (key, id) VALUES (1, 'n1'); UPDATE store SET position = 1`);
  old
    .prepare(
      `INSERT INTO event VALUES (1, ?, 1, 1, 7, 'container.privileged', 'container/c0', 0, NULL, 5, 6, 'c0', ?, NULL)`,
    )
    .run(T0, detail);
  old.close();
  const store = await openSqliteStore({ path });
  const [next] = await commitEvents(store, commit({ sequence: 1, snapshot: true, put: [finding()] }));
  const [first, second] = await store.outbox(0, 10);
  t.match(first, {
    position: 1,
    atMs: T0,
    action: 'opened',
    finding: {
      title: 'The container is not privileged',
      evidence: [{ source: '/proc/7/status', seen: 'CapEff: 1', expected: 'CapEff: 0' }],
    },
  });
  t.same(second, next);
  await store.close();
});

await t.test('events whose details are damaged are delivered without them; all others are whole', async (t) => {
  const path = join(t.testdir(), 'store.sqlite');
  const store = await openSqliteStore({ path });
  const put = Array.from({ length: 1500 }, (_, index) => finding({ on: `c${String(index)}` }));
  const written = await commitEvents(store, commit({ sequence: 1, snapshot: true, put }));
  const small = await commitEvents(store, commit({ sequence: 2, put: [finding({ on: 'x' }), finding({ on: 'y' })] }));
  const db = new DatabaseSync(path);
  const row = (order: string) =>
    db.prepare(`SELECT first, last, content FROM event_detail ORDER BY last ${order} LIMIT 1`).get() as {
      first: number;
      last: number;
      content: Uint8Array | string;
    };
  const update = db.prepare('UPDATE event_detail SET content = ? WHERE last = ?');
  const block = row('ASC');
  const bytes = block.content as Uint8Array;
  const inBlock = block.last - block.first + 1;
  t.ok(inBlock > 100 && inBlock < 1400, `${String(inBlock)} events in the block`);
  const whole = (events: readonly StoredEvent[]) =>
    events.map((event) => ('isIncomplete' in event ? undefined : event));
  // One bit of a compressed block, wherever it is: not one event says something else than what was written.
  const flips = Array.from({ length: 40 }, (_, index) => Math.floor((bytes.length * 8 * index) / 40) + (index % 8));
  const damaged: (Uint8Array | string)[] = [Buffer.from('28b52ffd00', 'hex'), '1 [', 'nothing', '', '1 []\n'];
  for (const bit of flips)
    damaged.push(bytes.map((byte, index) => (index === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte)));
  for (const [index, content] of damaged.entries()) {
    update.run(content, block.last);
    const events = await store.outbox(0, 1500);
    const read = whole(events);
    t.ok(isDeepStrictEqual(read.slice(inBlock), written.slice(inBlock)), `${String(index)}: other blocks are whole`);
    const lost = read.slice(0, inBlock).filter((event) => event === undefined).length;
    t.ok(lost === inBlock || isDeepStrictEqual(read, written), `${String(index)}: ${String(lost)} without details`);
    t.same(
      events.map(({ uid }) => uid),
      written.map(({ uid }) => uid),
    );
  }
  const [incomplete] = await store.outbox(0, 1);
  const { title, evidence, reason, ...kept } = (incomplete as OutboxEvent).finding;
  const { title: _title, evidence: _evidence, ...before } = written[0]?.finding ?? finding();
  t.same(kept, before, 'what it is about, verdict, severity and times are those of the event');
  t.match({ title, evidence, reason }, { title: kept.check, evidence: [], reason: /damaged/ });
  // A row of text: a distance that changed would give an event the details of another.
  const { last, content } = row('DESC');
  t.match(content, /^0 .*\n1 /);
  for (const text of [String(content).replace('\n1 ', '\n0 '), String(content).replace('[', '{')]) {
    update.run(text, last);
    const events = whole(await store.outbox((small[0]?.position ?? 0) - 1, 2));
    t.ok(
      events.every((event, index) => event === undefined || isDeepStrictEqual(event, small[index])) &&
        events.includes(undefined),
    );
  }
  // The damaged row is the oldest text: what is compressed next begins with it.
  const large = noise(1, 60_000);
  const end = (await store.outbox(0, 10_000)).at(-1)?.position ?? 0;
  for (let sequence = 3; sequence < 80; sequence += 1) {
    const evidence = [{ source: String(sequence), seen: large, expected: '' }];
    await commitEvents(store, commit({ sequence, put: [finding({ check: 'container.memory-limit', evidence })] }));
  }
  const later: StoredEvent[] = [];
  for (let position = end; later.length < 77; position = later.at(-1)?.position ?? 0)
    later.push(...(await store.outbox(position, 500)));
  t.notOk(whole(later).includes(undefined), 'a damaged row does not damage those that are compressed with it');
  t.match(db.prepare(`SELECT typeof(content) AS type FROM event_detail WHERE last > ? ORDER BY last`).get(last), {
    type: 'blob',
  });
  db.exec('DELETE FROM event_detail');
  t.same(
    whole(await store.outbox(0, 10)),
    Array.from({ length: 10 }, () => undefined),
    'a row that is gone',
  );
  db.close();
  await store.close();
});

await t.test(
  'a damaged event of another table is damage of the file, which is then replaced: no sink waits for ever',
  async (t) => {
    const path = join(t.testdir(), 'store.sqlite');
    const store = await openSqliteStore({ path });
    const db = new DatabaseSync(path);
    db.exec('UPDATE store SET position = 1');
    for (const row of [
      `activity VALUES (1, 5, '{')`,
      `remediation VALUES (1, 5, '')`,
      `detection VALUES (1, 5, 'n1', 'r', '[1,')`,
      `denial VALUES (1, 5, 5, 's', 'r', 'i', 'p', 'o', 'n', 'x')`,
      `vulnerability_event VALUES (1, 5, '}')`,
      `dead_letter (sink, uid, position, at, attempts, reason, replay, bytes, content) VALUES ('s', 'u', 1, 5, 1, '', 1, 1, '{')`,
    ]) {
      db.exec(`INSERT INTO ${row}`);
      await t.rejects(store.outbox(0, 10, 's'), { code: 'damaged' }, row);
      db.exec(`DELETE FROM ${row.split(' ')[0] ?? ''}`);
    }
    db.close();
    await store.close();
  },
);

await t.test('events as large as a node can make them are read a few at a time', async (t) => {
  const path = join(t.testdir(), 'store.sqlite');
  const store = await openSqliteStore({ path });
  // 16 pieces of evidence of 16 KiB texts: 786 kB in a message of 1 MiB, six times that as JSON.
  const evidence = Array.from({ length: 16 }, () => {
    const text = '\u0001'.repeat(16 * 1024);
    return { source: text, seen: text, expected: text };
  });
  const refusal = { operation: 'enroll', nodeId: '', address: '', reason: 'r', atMs: T0, suppressed: 0 } as const;
  const neighbour = await commitEvents(store, commit({ nodeId: 'n2', sequence: 1, snapshot: true, put: [finding()] }));
  const uids = neighbour.map(({ uid }) => uid);
  for (let sequence = 1; sequence <= 5; sequence += 1) {
    const put = [finding({ on: `c${String(sequence)}`, evidence }), finding({ on: `d${String(sequence)}`, evidence })];
    const events = await commitEvents(store, commit({ sequence, snapshot: sequence === 1, put }));
    uids.push(...events.map(({ uid }) => uid));
    await store.recordRefusals([refusal]);
  }
  const pages: (readonly StoredEvent[])[] = [];
  for (let position = 0; ;) {
    const page = await store.outbox(position, 500);
    if (page.length === 0) break;
    position = page.at(-1)?.position ?? 0;
    pages.push(page);
  }
  const large = pages.map((page) => page.filter((event) => JSON.stringify(event).length > 1_000_000).length);
  t.ok(Math.max(...large) <= 2, `${large.join(', ')} large events in the pages`);
  const all = pages.flat();
  t.same(
    all.filter((event) => 'finding' in event).map(({ uid }) => uid),
    uids,
    'all of them, in order',
  );
  t.equal(all.filter((event) => 'operation' in event).length, 5, 'none of another table is skipped');
  t.same(
    all.map(({ position }) => position),
    all.map((_, index) => index + 1),
  );
  await store.close();
});
