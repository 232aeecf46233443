import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { isFindingEvent } from '../../../collector/store/stored-event.ts';
import t from 'tap';
import type { Test } from 'tap';
import { createEventBus } from '../../../collector/store/event-bus.ts';
import { startDeliveryWorker } from '../../../collector/sink/delivery-worker.ts';
import type { DeliveryWorker, DeliveryWorkerOptions } from '../../../collector/sink/delivery-worker.ts';
import type { Sink, SinkOutcome } from '../../../collector/sink/sink.ts';
import { openSqliteStore } from '../../../collector/store/sqlite.ts';
import type { OutboxEvent } from '../../../collector/store/stored-event.ts';
import { sleep } from '../../../service/clock.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import { collectLines } from '../session/collector.ts';
import type { Line } from '../session/collector.ts';
import { commit, commitEvents, finding } from '../store/fleet.ts';

type Answer = SinkOutcome | 'hang' | Error;

/** A receiver that gives these answers, one after the other, and then accepts everything. */
function receiver(answers: Answer[] = []) {
  const batches: (readonly string[])[] = [];
  let closed = false;
  let hanging = Promise.withResolvers<SinkOutcome>();
  const sink: Sink = {
    name: 'receiver',
    send: async (batch) => {
      batches.push(batch.filter(isFindingEvent).map(({ finding }) => finding.subject.id));
      const answer = answers.shift() ?? { outcome: 'ok' };
      if (answer === 'hang') {
        hanging = Promise.withResolvers();
        return hanging.promise;
      }
      if (answer instanceof Error) throw answer;
      return answer;
    },
    close: async () => void (closed = true),
  };
  return { sink, batches, isClosed: () => closed, letGo: () => hanging.resolve({ outcome: 'ok' }) };
}

async function setUp(t: Test, answers: Answer[] = [], before: readonly string[] = []) {
  const store = await openSqliteStore({ path: join(t.testdir(), 'store.sqlite') });
  const eventBus = createEventBus();
  const clock = createFakeClock();
  const lines: Line[] = [];
  const to = receiver(answers);
  let sequence = 0;
  const happen = async (...names: readonly string[]): Promise<readonly OutboxEvent[]> => {
    sequence += 1;
    const put = names.map((on) => finding({ check: 'container.capabilities', on }));
    const made = await commitEvents(store, commit({ sequence, snapshot: sequence === 1, put: [...known, ...put] }));
    known.push(...put);
    for (const event of made) eventBus.publish({ type: 'finding', event });
    return made;
  };
  const known: ReturnType<typeof finding>[] = [];
  if (before.length > 0) await happen(...before);
  const workers: DeliveryWorker[] = [];
  const start = (maxBacklog?: number, onDropped?: DeliveryWorkerOptions['onDropped']): DeliveryWorker => {
    // Jitter that takes the whole time: what a test waits for is then known.
    const worker = startDeliveryWorker({
      store,
      sink: to.sink,
      eventBus,
      clock,
      log: collectLines(lines),
      random: () => 0.999_999,
      maxBacklog,
      ...(onDropped && { onDropped }),
    });
    workers.push(worker);
    return worker;
  };
  t.teardown(async () => {
    to.letGo();
    await Promise.all(workers.map((worker) => worker.stop()));
    await store.close();
  });
  return { ...to, store, clock, lines, happen, start };
}

await t.test('what is in the outbox first, then what happens, in order', async (t) => {
  const { batches, happen, start, clock, store, isClosed } = await setUp(t, [], ['a', 'b']);
  const worker = start();
  await clock.advance(0);
  t.same(batches, [['a', 'b']]);
  await happen('c');
  await happen('d', 'e');
  await clock.advance(0);
  t.same(batches.flat(), ['a', 'b', 'c', 'd', 'e'], 'woken by the eventBus, no time has passed');
  const position = await store.cursor('receiver');
  t.match(worker.status(), {
    name: 'receiver',
    state: 'ok',
    delivered: 5,
    rejected: 0,
    lastError: '',
    position,
  });
  await worker.stop();
  t.ok(isClosed());
  await happen('f');
  const next = start();
  await clock.advance(0);
  t.same(batches.at(-1), ['f'], 'a new worker goes on where the old one ended');
  t.equal(next.status().delivered, 1);
});

await t.test('what another collector stores is found without a notification', async (t) => {
  const { batches, start, clock, store } = await setUp(t);
  start();
  await clock.advance(0);
  await commitEvents(store, commit({ nodeId: 'n9', sequence: 1, snapshot: true, put: [finding({ on: 'silent' })] }));
  await clock.advance(29_000);
  t.same(batches, []);
  await clock.advance(2000);
  t.same(batches, [['silent']]);
});

await t.test('retry: the same events again, later and later', async (t) => {
  const retry = { outcome: 'retry', afterMs: 0, reason: 'ECONNREFUSED' } as const;
  const slow = { ...retry, afterMs: 20_000 };
  const { batches, start, clock, lines } = await setUp(t, [retry, retry, slow], ['a']);
  const worker = start();
  await clock.advance(0);
  t.match(worker.status(), { state: 'retrying', lastError: 'ECONNREFUSED', position: 0, delivered: 0 });
  await clock.advance(499);
  t.equal(batches.length, 2, 'up to 0.5 s');
  await clock.advance(998);
  t.equal(batches.length, 2);
  await clock.advance(2);
  t.equal(batches.length, 3, 'up to 1 s');
  await clock.advance(21_997);
  t.equal(batches.length, 3, 'as long as the receiver asks for, and up to 2 s');
  await clock.advance(3);
  t.same(batches, [['a'], ['a'], ['a'], ['a']]);
  t.match(worker.status(), { state: 'ok', lastError: '', delivered: 1 });
  t.equal(lines.filter(({ level }) => level === 'warn').length, 3);
});

await t.test('split: halves, and what was delivered is not sent again', async (t) => {
  const split = { outcome: 'split', reason: '413' } as const;
  const retry = { outcome: 'retry', afterMs: 0, reason: 'later' } as const;
  const { batches, start, clock, store } = await setUp(t, [split, { outcome: 'ok' }, retry], ['a', 'b', 'c', 'd', 'e']);
  const worker = start();
  await clock.advance(0);
  t.same(batches, [
    ['a', 'b', 'c', 'd', 'e'],
    ['a', 'b', 'c'],
    ['d', 'e'],
  ]);
  t.match(worker.status(), { state: 'retrying', delivered: 3 });
  t.equal(await store.cursor('receiver'), worker.status().position);
  await clock.advance(500);
  t.same(batches.at(-1), ['d', 'e']);
  t.match(worker.status(), { state: 'ok', delivered: 5 });
});

await t.test('one event that is too large alone is passed, counted, named in the log and kept', async (t) => {
  const split = { outcome: 'split', reason: 'too large' } as const;
  const { batches, start, clock, store, lines } = await setUp(t, [split, split], ['a', 'b']);
  const worker = start();
  await clock.advance(0);
  t.same(batches, [['a', 'b'], ['a'], ['b']]);
  t.match(worker.status(), { delivered: 1, rejected: 1, state: 'ok' });
  const [first] = await store.outbox(0, 1);
  const told = lines.find(({ level }) => level === 'error');
  t.match(told?.fields, { events: [first?.uid], reason: 'too large' });
  t.match(await store.deadLetters.list({ limit: 10 }), {
    deadLetters: [{ sink: 'receiver', event: first, reason: 'too large', attempts: 1 }],
  });
});

await t.test('reject: the named events are passed, the rest was delivered', async (t) => {
  const answers: Answer[] = [];
  const { start, clock, store } = await setUp(t, answers, ['a', 'b', 'c']);
  const [, second] = await store.outbox(0, 3);
  answers.push({ outcome: 'reject', uids: [second?.uid ?? '', 'unknown'], reason: 'mapper_parsing_exception' });
  const worker = start();
  await clock.advance(0);
  t.match(worker.status(), { delivered: 2, rejected: 1, state: 'ok' });
  const { deadLetters } = await store.deadLetters.list({ limit: 10 });
  t.same(
    deadLetters.map(({ event }) => event),
    [second],
    'a uid that was not sent is no dead letter',
  );
});

await t.test(
  'a dead letter that is replayed comes after what waits, with its uid, and counts as delivered',
  async (t) => {
    const answers: Answer[] = [{ outcome: 'split', reason: 'too large' }];
    const { batches, happen, start, clock, store } = await setUp(t, answers, ['a']);
    const [first] = await store.outbox(0, 1);
    const worker = start();
    await clock.advance(0);
    t.match(worker.status(), { delivered: 0, rejected: 1 });
    answers.push({ outcome: 'retry', afterMs: 0, reason: 'down' });
    const [before] = await happen('b');
    await clock.advance(0);
    t.match(await store.deadLetters.replay({}, ['receiver']), { replayed: 1 });
    t.match(await store.outbox(before?.position ?? 0, 10, 'receiver'), [{ uid: first?.uid, isReplay: true }]);
    await clock.advance(500);
    t.same(batches.at(-1), ['b', 'a']);
    t.match(worker.status(), { delivered: 2, rejected: 1, state: 'ok' });
    t.same([...(await store.deadLetters.counts())], []);
  },
);

await t.test('events whose details are damaged are delivered, counted and logged', async (t) => {
  const { batches, start, clock, store, lines } = await setUp(t, [], ['a', 'b']);
  const db = new DatabaseSync(join(t.testdirName, 'store.sqlite'));
  db.exec(`UPDATE event_detail SET content = '0 ['`);
  db.close();
  const worker = start();
  await clock.advance(0);
  t.same(batches, [['a', 'b']]);
  t.match(worker.status(), { delivered: 2, incomplete: 2, state: 'ok' });
  t.match(
    lines.filter(({ level }) => level === 'error'),
    [{ fields: { events: 2 } }],
  );
  t.equal(await store.cursor('receiver'), 2);
});

await t.test('a store that cannot be written: nothing is sent twice, and the position is stored later', async (t) => {
  const { batches, happen, start, clock, store, lines } = await setUp(t, [], ['a', 'b']);
  const { advance } = store;
  let isFull = true;
  const full = (): Promise<never> => Promise.reject(new Error('the disk is full'));
  Object.assign(store, { advance: (sink: string, to: number) => (isFull ? full() : advance(sink, to)) });
  const worker = start();
  await clock.advance(0);
  await happen('c');
  await clock.advance(120_000);
  t.same(batches, [['a', 'b'], ['c']]);
  t.match(worker.status(), { state: 'ok', delivered: 3 });
  t.equal(await store.cursor('receiver'), 0);
  t.match(
    lines.map(({ level, fields }) => `${level} ${String(fields['error'])}`),
    ['warn Error: the disk is full'],
    'logged once',
  );
  isFull = false;
  await clock.advance(31_000);
  t.equal(await store.cursor('receiver'), worker.status().position, 'also where nothing happens');
  isFull = true;
  await happen('d');
  await clock.advance(0);
  isFull = false;
  await worker.stop();
  t.equal(await store.cursor('receiver'), worker.status().position, 'at the end as well');
  t.equal(batches.flat().length, 4);
});

await t.test('a store that cannot keep a dead letter: the event is sent again, not lost', async (t) => {
  const split = { outcome: 'split', reason: 'too large' } as const;
  const { batches, start, clock, store } = await setUp(t, [split, split], ['a']);
  const { add } = store.deadLetters;
  let isFull = true;
  Object.assign(store.deadLetters, {
    add: (...args: Parameters<typeof add>) => (isFull ? Promise.reject(new Error('the disk is full')) : add(...args)),
  });
  const worker = start();
  await clock.advance(0);
  t.match(worker.status(), { state: 'retrying', lastError: 'the disk is full', rejected: 0, position: 0 });
  isFull = false;
  await clock.advance(500);
  t.same(batches, [['a'], ['a']]);
  t.match(worker.status(), { state: 'ok', rejected: 1 });
  t.same([...(await store.deadLetters.counts())], [['receiver', 1]]);
});

await t.test('pause: nothing is sent until the collector is started again', async (t) => {
  const { batches, start, clock } = await setUp(t, [{ outcome: 'pause', reason: '401' }], ['a']);
  const worker = start();
  await clock.advance(3_600_000);
  t.same(batches, [['a']]);
  t.match(worker.status(), { state: 'paused', lastError: '401' });
  await worker.stop();
  const next = start();
  await clock.advance(0);
  t.same(batches, [['a'], ['a']]);
  t.match(next.status(), { state: 'ok', delivered: 1 });
});

await t.test('a sink with a defect, a store that fails: tried again', async (t) => {
  const { batches, start, clock, lines } = await setUp(t, [new TypeError('a defect')], ['a']);
  const worker = start();
  await clock.advance(0);
  t.match(worker.status(), { state: 'retrying', lastError: 'a defect' });
  await clock.advance(500);
  t.same(batches, [['a'], ['a']]);
  t.ok(lines.length > 0);
});

await t.test('a sink that does not answer: reported, never sent to twice at once, stop does not hang', async (t) => {
  const { batches, start, clock, isClosed, letGo } = await setUp(t, ['hang', 'hang'], ['a']);
  const worker = start();
  await clock.advance(31_000);
  t.match(worker.status(), { state: 'retrying', lastError: 'no answer for 30000 ms' });
  await clock.advance(600_000);
  t.equal(batches.length, 1);
  letGo();
  await clock.advance(0);
  t.match(worker.status(), { state: 'ok', delivered: 1, lastError: '' });
  await worker.stop();

  const stuck = await setUp(t, ['hang'], ['b']);
  const second = stuck.start();
  await stuck.clock.advance(0);
  const stopped = second.stop();
  await stuck.clock.advance(5001);
  await stopped;
  t.ok(stuck.isClosed());
  t.ok(isClosed());
});

await t.test('a receiver that is too slow for a whole batch before the deadline gets smaller ones', async (t) => {
  const names = Array.from({ length: 1100 }, (_, index) => `c${String(index)}`);
  const { sink, batches, start, clock } = await setUp(t, [], names);
  const { send } = sink;
  const takenMs = (events: number): number => Math.min(30_000, events * 100);
  Object.assign(sink, {
    send: async (batch: Parameters<typeof send>[0]): Promise<SinkOutcome> => {
      await sleep(clock, takenMs(batch.length), new AbortController().signal);
      if (takenMs(batch.length) === 30_000) return { outcome: 'retry', afterMs: 0, reason: 'no answer within 30 s' };
      return send(batch);
    },
  });
  const worker = start();
  for (let second = 0; second < 200; second += 1) await clock.advance(1000);
  t.match(worker.status(), { state: 'ok', delivered: 1100 });
  t.same(batches.flat(), names, 'each once, in order');
  t.same([...new Set(batches.slice(0, 4).map(({ length }) => length))], [250]);
});

await t.test(
  'what was taken and not acknowledged: the cursor waits for it, and it comes again after a failure',
  async (t) => {
    const answers: Answer[] = [];
    const { batches, happen, start, clock, store } = await setUp(t, answers, ['a', 'b']);
    const positions = (await store.outbox(0, 10)).map(({ position }) => position);
    answers.push({ outcome: 'ok', acknowledged: 0 });
    const worker = start();
    await clock.advance(0);
    t.match(worker.status(), { position: 0, delivered: 2, state: 'ok' });
    t.equal(await store.cursor('receiver'), 0);

    answers.push({ outcome: 'ok', acknowledged: positions[0] ?? 0 });
    await happen('c');
    await clock.advance(0);
    t.same(batches, [['a', 'b'], ['c']]);
    t.equal(await store.cursor('receiver'), positions[0], 'a part was acknowledged');

    answers.push({ outcome: 'retry', afterMs: 0, reason: 'reset' }, { outcome: 'ok', acknowledged: 0 });
    await clock.advance(4999);
    t.equal(batches.length, 2);
    await clock.advance(1);
    t.same(batches.at(-1), [], 'nothing has come for five seconds: it is asked to settle');
    t.match(worker.status(), { state: 'retrying', lastError: 'reset' });
    await clock.advance(500);
    t.same(batches.at(-1), ['b', 'c'], 'after a failure, from the cursor on');
    t.match(worker.status(), { state: 'ok', delivered: 3 }, 'and not counted twice');

    answers.push({ outcome: 'retry', afterMs: 0, reason: 'reset', acknowledged: positions[1] ?? 0 });
    await happen('d');
    await clock.advance(0);
    t.equal(await store.cursor('receiver'), positions[1], 'what was acknowledged before the failure');
    answers.push({ outcome: 'ok', acknowledged: positions[1] ?? 0 });
    await clock.advance(500);
    t.same(batches.at(-1), ['c', 'd']);
    await clock.advance(5000);
    t.same(batches.at(-1), []);
    t.match(worker.status(), { delivered: 4 });
    t.equal(await store.cursor('receiver'), (await store.outbox(0, 10)).at(-1)?.position, 'all is acknowledged');
    const before = batches.length;
    await clock.advance(20_000);
    t.equal(batches.length, before, 'and not asked for again');
  },
);

await t.test('the end: the last events are acknowledged', async (t) => {
  const { batches, start, clock, store } = await setUp(t, [{ outcome: 'ok', acknowledged: 0 }], ['a']);
  const worker = start();
  await clock.advance(0);
  t.equal(await store.cursor('receiver'), 0);
  await worker.stop();
  t.same(batches, [['a'], []]);
  t.ok((await store.cursor('receiver')) > 0);
});

await t.test(
  'a limit of the backlog: nothing is dropped below it, above it the oldest, also while the sink hangs',
  async (t) => {
    const names = (from: number, to: number) =>
      Array.from({ length: to - from + 1 }, (_, index) => `c${String(from + index)}`);
    const { batches, happen, start, clock, store, letGo } = await setUp(t, ['hang'], names(1, 10));
    const told = Promise.withResolvers<unknown>();
    const startMs = clock.now();
    const worker = start(10, told.resolve);
    await clock.advance(60_000);
    t.match(worker.status(), { dropped: 0, delivered: 0 });
    // As a store that was restored does it: positions without events are no events that wait.
    await store.raisePosition(1e15);
    await happen(...names(11, 13));
    t.equal((await store.backlog('receiver')).events, 13);
    await clock.advance(10_000);
    t.same(await told.promise, { sink: 'receiver', events: 3, most: { nodeId: 'n1', events: 3 } });
    t.match(worker.status(), { dropped: 3, droppedMost: { nodeId: 'n1', events: 3 } });
    t.equal((await store.backlog('receiver')).events, 10);
    letGo();
    await clock.advance(0);
    t.same(batches, [names(1, 10), names(11, 13)], 'what was under way is not sent again');
    t.match(await store.backlog('receiver'), { events: 0, oldestMs: undefined });
    t.match(worker.status(), {
      state: 'ok',
      dropped: 3,
      lastErrorMs: startMs + 30_000,
      lastSuccessMs: startMs + 70_000,
    });
  },
);

await t.test('a sink that accepts loses nothing after a restart, however much waits', async (t) => {
  const { batches, start, clock, store } = await setUp(t, [], ['a', 'b', 'c', 'd']);
  t.match(await store.backlog('receiver'), { events: 4, oldestMs: 1_780_272_000_000 });
  const worker = start(3);
  await clock.advance(0);
  t.same(batches, [['a', 'b', 'c', 'd']]);
  await clock.advance(50_000);
  t.match(worker.status(), { dropped: 0, ratePerSecond: 4 / 50 });
  await clock.advance(20_000);
  t.equal(worker.status().ratePerSecond, 0);
});
