import { hash } from 'node:crypto';
import { join } from 'node:path';
import t from 'tap';
import type { OcsfEvent } from '../../../collector/event/ocsf/ocsf.ts';
import { startDeliveryWorker } from '../../../collector/sink/delivery-worker.ts';
import type { DeliveryWorker } from '../../../collector/sink/delivery-worker.ts';
import { createWebhookSink } from '../../../collector/sink/webhook.ts';
import { createEventBus } from '../../../collector/store/event-bus.ts';
import { openSqliteStore } from '../../../collector/store/sqlite.ts';
import type { Store } from '../../../collector/store/store.ts';
import { systemClock } from '../../../service/clock.ts';
import type { Clock } from '../../../service/clock.ts';
import { createRandom } from '../../fixture/random.ts';
import { recordingLog } from '../api/server.ts';
import { commit, commitEvents, finding } from '../store/fleet.ts';
import { render, uidOf } from './events.ts';
import { startHttpReceiver } from './http-receiver.ts';
import type { Answer } from './http-receiver.ts';

/** PLIMSOLL_CHAOS_EVENTS=100000 for the long run, PLIMSOLL_CHAOS_SEED for another course. */
const EVENTS = Number(process.env['PLIMSOLL_CHAOS_EVENTS'] ?? 3_000);
const SEED = Number(process.env['PLIMSOLL_CHAOS_SEED'] ?? 20_261_129);
const FINDINGS = 60;
/** Of sender, receiver and test together, however many events there are: three times what 3,000 need. */
const MAX_RSS_BYTES = 768 * 1024 ** 2;
/** Waits are this much shorter than in life; their order and number stay. */
const SPEED = 200;

t.setTimeout(EVENTS * 20 + 60_000);

/** Hash of what of an event is the same whenever it is sent. */
function lasting(event: OcsfEvent): string {
  const text = JSON.stringify(event, (key, value: unknown) => (key === 'logged_time' ? undefined : value));
  return hash('sha256', text);
}

void t.test(`outages and ends of the collector in a random order, seed ${String(SEED)}`, async (t) => {
  const random = createRandom(SEED);
  const system = systemClock();
  const clock: Clock = { ...system, after: (delayMs, work) => system.after(delayMs / SPEED, work) };
  /** Hash of each event by its uid, in the order in which they came first. */
  const arrived = new Map<string, string>();
  const problems: string[] = [];
  const newest = new Map<unknown, number>();
  let [repeated, outages] = [0, 0];
  const read = (event: OcsfEvent): void => {
    const [uid, said] = [uidOf(event), lasting(event)];
    const before = arrived.get(uid);
    if (before !== undefined) {
      repeated += 1;
      if (before !== said) problems.push(`${uid} came again and says something else`);
      return;
    }
    arrived.set(uid, said);
    const { uid: of } = event['finding_info'] as { readonly uid: unknown };
    const { sequence } = event['metadata'] as { readonly sequence: number };
    if (sequence <= (newest.get(of) ?? 0)) problems.push(`${uid} came after a newer event of its finding`);
    newest.set(of, sequence);
  };
  const failures: readonly Answer[] = [
    { status: 503 },
    { status: 429, headers: { 'retry-after': '3' } },
    { status: 413 },
    { misbehave: 'resets' },
    { misbehave: 'cuts-answer' },
    { misbehave: 'is-no-http' },
  ];
  let down = 0;
  const receiver = await startHttpReceiver(
    t,
    ({ body }) => {
      const batch = JSON.parse(body) as readonly OcsfEvent[];
      if (down === 0 && random.next() < 0.35) {
        down = random.between(1, 4);
        outages += 1;
      }
      const failure = down > 0 ? random.pick(failures) : undefined;
      down = Math.max(0, down - 1);
      // A single event that is refused for its size would be a dead letter.
      if (failure !== undefined && !('status' in failure && failure.status === 413 && batch.length === 1)) {
        // Some receivers have stored what they do not acknowledge.
        if (random.next() < 0.4 && !('status' in failure)) batch.forEach(read);
        return failure;
      }
      batch.forEach(read);
      return { status: 204 };
    },
    false,
  );

  const path = join(t.testdir(), 'store.sqlite');
  const eventBus = createEventBus();
  const start = async (): Promise<{ readonly store: Store; readonly worker: DeliveryWorker }> => {
    const store = await openSqliteStore({ path });
    const target = { url: receiver.url, caFile: receiver.caFile, secretFile: 'none' };
    const sink = createWebhookSink({ name: 'webhook', receiver: target, clock, render });
    return { store, worker: startDeliveryWorker({ store, sink, eventBus, clock, log: recordingLog().log }) };
  };
  let running = await start();
  const made = new Set<string>();
  let [sequence, ends, peakRss] = [0, 0, 0];
  while (made.size < EVENTS) {
    sequence += 1;
    const evidence = [{ source: 's', seen: String(sequence), expected: '' }];
    const changed = Array.from({ length: random.between(1, 40) }, () => `c${String(random.between(1, FINDINGS))}`);
    const put = [...new Set(changed)].map((on) => finding({ check: 'container.memory-limit', on, evidence }));
    const snapshot = sequence === 1;
    for (const event of await commitEvents(running.store, commit({ sequence, snapshot, put }))) {
      made.add(event.uid);
      eventBus.announce(event.position);
    }
    if (random.next() < 0.9) await new Promise((resolve) => setTimeout(resolve, random.between(0, 10)));
    if (random.next() < 0.1) {
      ends += 1;
      // Every other end is none in good order: the store is gone while a batch is under way.
      const isOrderly = random.next() < 0.5;
      if (!isOrderly) await running.store.close();
      await running.worker.stop();
      if (isOrderly) await running.store.close();
      running = await start();
    }
    peakRss = Math.max(peakRss, process.memoryUsage.rss());
  }
  const { store, worker } = running;
  for (let tries = 0; tries < EVENTS && (await store.backlog('webhook')).events > 0; tries += 1)
    await new Promise((resolve) => setTimeout(resolve, 20));
  t.same(await store.backlog('webhook'), { events: 0, oldestMs: undefined }, 'everything is acknowledged');
  await worker.stop();
  t.same([...(await store.deadLetters.counts())], []);
  await store.close();
  t.same(
    [...made].filter((uid) => !arrived.has(uid)),
    [],
    'no event is missing',
  );
  t.equal(arrived.size, made.size, 'and none was made up');
  t.same(problems.slice(0, 5), []);
  t.ok(peakRss < MAX_RSS_BYTES, `${String(Math.round(peakRss / 1024 ** 2))} MiB`);
  t.ok(outages >= 5 && ends >= 5 && repeated > 0, 'there was something to survive');
  t.comment(
    `${String(made.size)} events, ${String(outages)} outages, ${String(ends)} ends, ${String(repeated)} repeated, ${String(Math.round(peakRss / 1024 ** 2))} MiB`,
  );
});
