import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { createRefusalRecorder } from '../../collector/refusal-recorder.ts';
import { toOcsf } from '../../collector/event/ocsf/ocsf.ts';
import { toFrame } from '../../collector/sink/syslog-frame.ts';
import { openSqliteStore } from '../../collector/store/sqlite.ts';
import { createFakeClock } from '../service/fake-clock.ts';
import { recordingLog } from './api/server.ts';
import { readValidator } from './event/ocsf/validator.ts';
import { commit, finding } from './store/fleet.ts';

const OCSF = new URL('../../../shared/ocsf/required.json', import.meta.url).pathname;

void t.test('refusals are events between those of findings, bounded in number, and leave with them', async (t) => {
  const path = join(t.testdir(), 'store.sqlite');
  const store = await openSqliteStore({ path });
  t.teardown(() => store.close());
  const clock = createFakeClock();
  const { log } = recordingLog();
  const announced: number[] = [];
  const eventBus = { announce: (position: number) => void announced.push(position) };
  const recorder = createRefusalRecorder({ store, eventBus, clock, log });
  const note = (address: string, reason = 'the token has expired'): void =>
    recorder.note({ operation: 'attest', nodeId: 'n1', address, reason });

  await store.commit([commit({ sequence: 1, put: [finding({ check: 'container.capabilities', on: 'a' })] })]);
  for (let count = 0; count < 50; count += 1) note('10.0.0.1', `bad\n\u001b[31m${'x'.repeat(5000)}`);
  await recorder.settled();
  await store.commit([commit({ sequence: 2, put: [finding({ check: 'container.capabilities', on: 'b' })] })]);
  const events = await store.outbox(0, 100);
  t.strictSame(
    events.map((event) => ('address' in event ? event.address : 'finding')),
    ['finding', ...Array.from({ length: 5 }, () => '10.0.0.1'), 'finding'],
  );
  t.strictSame(
    events.map(({ position }) => position),
    [1, 2, 3, 4, 5, 6, 7],
  );
  t.equal(new Set(events.map(({ uid }) => uid)).size, 7);
  t.equal(announced.at(-1), 6);
  t.strictSame(
    (await store.outbox(2, 3)).map(({ position }) => position),
    [3, 4, 5],
    'pages',
  );

  for (let count = 0; count < 500; count += 1) note(`10.0.1.${String(count)}`);
  await recorder.settled();
  t.equal((await store.outbox(7, 1000)).length, 55, 'sixty a minute, whoever sends them');
  await clock.advance(60_000);
  note('10.0.0.1');
  await recorder.settled();
  const [last] = await store.outbox(62, 10);
  t.match(last, { suppressed: 445, nodeId: 'n1' }, 'the next one says how many had none');
  const all = (await store.outbox(0, 1000)).flatMap((event) => ('address' in event ? [event] : []));
  t.equal(
    all.reduce((sum, { suppressed }) => sum + suppressed + 1, 0),
    551,
    'each refusal is an event or counted in one',
  );

  const context = { version: '0.1.0', checks: new Map(), node: () => undefined, nowMs: clock.now() };
  const [, refusal] = events;
  for (const event of [refusal, last]) {
    if (event === undefined) return t.fail('no event');
    const ocsf = toOcsf(event, context);
    if (existsSync(OCSF)) t.same(readValidator(OCSF)(ocsf), [], 'a valid OCSF event');
    t.match(ocsf, { class_uid: 6003, status: 'Failure' });
    const frame = toFrame(event, ocsf, { facility: 'auth', maxBytes: 2048, procId: '1' });
    t.match(frame?.toString(), /refusal-attest \[plimsoll@32473 /, 'fits into the smallest message');
  }
  await store.advance('ndjson', 70);
  await store.prune(['ndjson'], 0);
  t.same(await store.outbox(0, 100), [], 'gone with what every sink has');
  return undefined;
});
