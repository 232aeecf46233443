import type { Test } from 'tap';
import { openDelivery } from '../../../collector/sink/delivery.ts';
import type { Delivered } from '../../../collector/sink/delivery.ts';
import type { Sink } from '../../../collector/sink/sink.ts';
import type { OcsfEvent } from '../../../collector/event/ocsf/ocsf.ts';
import type { OutboxEvent } from '../../../collector/store/stored-event.ts';
import { systemClock } from '../../../service/clock.ts';
import type { Logger } from '../../../service/log.ts';
import { finding } from '../store/fleet.ts';
import { event, events, ocsfOf, uidOf } from './events.ts';

const SILENT: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** A receiver, and how sinks to it are made. */
export interface SinkUnderTest {
  /** A new sink to the receiver, as a collector that starts has it. Whoever opens it closes it. */
  readonly open: () => Sink;
  /** Everything that has arrived, in order, what came twice twice. Called once all was acknowledged. */
  readonly received: () => readonly OcsfEvent[] | Promise<readonly OcsfEvent[]>;
  /** Makes the receiver unavailable: whatever it has not kept is gone. */
  readonly interrupt: () => void | Promise<void>;
  readonly restore: () => void | Promise<void>;
  /** The receiver itself keeps what came before only once. */
  readonly deduplicates?: true;
}

/** Prepares a receiver that nobody has sent to; it cleans up in the teardown of `t`. */
export type PrepareSink = (t: Test) => Promise<SinkUnderTest>;

/** What every sink promises. */
export async function sinkConformance(t: Test, prepare: PrepareSink): Promise<void> {
  const check = (name: string, body: (t: Test, under: SinkUnderTest) => Promise<void>): Promise<unknown> =>
    t.test(name, async (t) => body(t, await prepare(t)));
  await check('all events of all batches, in order, once', inOrder);
  await check('an empty batch', emptyBatch);
  await check('whatever text an event holds, the same OCSF event arrives', anyText);
  await check('the same event again: the same uid', sameAgain);
  await check('a receiver that is away is reported, and nothing is lost once it is back', outage);
  await check('after close: nothing is sent, nothing thrown; close again', afterClose);
  await check('close while a batch is under way', closeInFlight);
}

async function inOrder(t: Test, { open, received }: SinkUnderTest): Promise<void> {
  const sink = open();
  t.ok(sink.name, 'it has a name for its cursor');
  const all = events(1, 1200);
  for (const [from, to] of [
    [0, 1],
    [1, 501],
    [501, 1001],
    [1001, 1200],
  ] as const) {
    const outcome = await sink.send(all.slice(from, to));
    if (outcome.outcome !== 'ok') return void t.fail(`ok was expected: ${JSON.stringify(outcome)}`);
    const { acknowledged } = outcome;
    if (acknowledged !== undefined && acknowledged > to) t.fail('acknowledged what was not yet sent');
  }
  t.match(await settleOf(sink, 1200), { outcome: 'ok' });
  t.same(
    (await received()).map(uidOf),
    all.map(({ uid }) => uid),
  );
  await sink.close();
}

async function emptyBatch(t: Test, { open, received }: SinkUnderTest): Promise<void> {
  const sink = open();
  t.equal((await sink.send([])).outcome, 'ok', 'the first thing that it is asked');
  t.equal((await sink.send(events(1, 1))).outcome, 'ok');
  t.equal((await sink.send([])).outcome, 'ok');
  t.equal((await sink.send([])).outcome, 'ok');
  t.equal((await received()).length, 1);
  await sink.close();
}

async function anyText(t: Test, { open, received }: SinkUnderTest): Promise<void> {
  const texts = [
    '\u0000\u0001\b\t\n\u000b\f\r\u001b[31m\u007f\u0085\u009b2J\u2028\u2029',
    '</script><img src=x onerror=alert(1)> & "quoted" \\ ] [ = \' `',
    'schön, 日本語, עברית \u202e\u2066, 👩‍💻, e\u0301',
    '\ud800 alone, \udfff alone',
    '1000 {"metadata":{"uid":"forged"}}\n23 <13>1 - - - - - - x',
    '%msg% $!all-json %s %n ${jndi:ldap://x} \\u0041',
    '',
    ' leading and trailing ',
    '日'.repeat(300_000),
  ];
  const batch = texts.map((text, index) => {
    const evidence = [{ source: text, seen: text, expected: text }];
    const subject = { kind: 'container', id: `c${String(index)}`, name: text } as const;
    return event(index + 1, { ...finding(), title: text, reason: text, evidence, subject, nodeName: text });
  });
  const sink = open();
  // A sink may ask for halves.
  const onSilence = (): void => void t.fail('no answer');
  const onDelivered = ({ rejected }: Delivered): Promise<void> => {
    t.same(rejected, []);
    return Promise.resolve();
  };
  const { deliver } = openDelivery({ sink, clock: systemClock(), log: SILENT, onDelivered, onSilence });
  t.equal((await deliver(batch)).outcome, 'ok');
  t.equal((await settleOf(sink, texts.length)).outcome, 'ok');
  const arrived = await received();
  t.equal(arrived.length, texts.length);
  for (const [index, one] of arrived.entries()) {
    const sent = batch[index];
    if (sent === undefined) continue;
    t.equal(uidOf(one), sent.uid);
    const isTruncated = (one['metadata'] as { is_truncated?: boolean }).is_truncated === true;
    // Halves of pairs are no characters: JSON keeps them as escapes, and so does everything that reads it.
    if (!isTruncated) t.same(one, JSON.parse(JSON.stringify(ocsfOf(sent))), `text ${String(index)}`);
    else t.equal(index, texts.length - 1, 'only the huge one is sent with less in it');
  }
  await sink.close();
}

async function sameAgain(t: Test, { open, received, deduplicates }: SinkUnderTest): Promise<void> {
  const [first, second] = [open(), open()];
  await sendAll(first, events(1, 3));
  await first.close();
  await sendAll(second, events(1, 3));
  await second.close();
  const uids = (await received()).map(uidOf);
  t.same(uids, deduplicates ? uids.slice(0, 3) : [...uids.slice(0, 3), ...uids.slice(0, 3)]);
  t.equal(new Set(uids).size, 3);
}

async function outage(t: Test, { open, received, interrupt, restore }: SinkUnderTest): Promise<void> {
  const all = events(1, 300);
  let sink = open();
  let acknowledged = 0;
  const note = (outcome: Awaited<ReturnType<Sink['send']>>, upTo: number): boolean => {
    if (outcome.outcome === 'ok') acknowledged = Math.max(acknowledged, outcome.acknowledged ?? upTo);
    return outcome.outcome === 'ok';
  };
  note(await sink.send(all.slice(0, 100)), 100);
  await interrupt();
  let taken = 100;
  // Buffers may take a little more; what matters is that it is not acknowledged.
  for (let times = 0; times < 20; times += 1) {
    const outcome = await sink.send(all.slice(taken, taken + 10));
    if (note(outcome, taken + 10)) taken = Math.min(taken + 10, 290);
    else {
      t.match(outcome, { outcome: /^(retry|pause)$/, reason: /\S/ });
      taken = acknowledged;
      // A collector whose sink was paused is started again.
      if (outcome.outcome === 'pause') {
        await sink.close();
        await restore();
        sink = open();
      }
      break;
    }
    if (times === 19) t.fail('it never says that the receiver is away');
  }
  await restore();
  await sendAll(sink, all.slice(acknowledged));
  await sink.close();
  const uids = new Set((await received()).map(uidOf));
  t.same(
    all.map(({ uid }) => uid).filter((uid) => !uids.has(uid)),
    [],
    'nothing is missing',
  );
}

async function afterClose(t: Test, { open, received }: SinkUnderTest): Promise<void> {
  const sink = open();
  await sendAll(sink, events(1, 2));
  await sink.close();
  t.match(await sink.send(events(3, 4)), { outcome: 'retry', reason: /\S/ });
  t.match(await sink.send([]), { outcome: 'retry' });
  await sink.close();
  t.equal((await received()).length, 2);
  const unused = open();
  await unused.close();
  await unused.close();
}

async function closeInFlight(t: Test, { open, received }: SinkUnderTest): Promise<void> {
  const sink = open();
  const under = sink.send(events(1, 500));
  await sink.close();
  t.match(await under, { outcome: /^(ok|retry)$/ }, 'it answers');
  const again = open();
  await sendAll(again, events(1, 500));
  await again.close();
  t.equal(new Set((await received()).map(uidOf)).size, 500);
}

/** Sends events as the port asks it of its callers: what is not acknowledged comes again after a failure. */
export async function sendAll(sink: Sink, all: readonly OutboxEvent[]): Promise<void> {
  let acknowledged = 0;
  let taken = 0;
  for (let attempts = 0; acknowledged < all.length; attempts += 1) {
    if (attempts > 200) throw new Error('it does not come to an end');
    const batch = all.slice(taken, taken + 500);
    const outcome = await sink.send(batch);
    const upTo = outcome.outcome === 'ok' || outcome.outcome === 'retry' ? outcome.acknowledged : undefined;
    if (outcome.outcome === 'ok') taken += batch.length;
    if (outcome.outcome === 'ok' && upTo === undefined) acknowledged = taken;
    if (upTo !== undefined)
      acknowledged = Math.max(acknowledged, all.filter(({ position }) => position <= upTo).length);
    if (outcome.outcome !== 'ok') taken = acknowledged;
    // The time a real worker waits for the receiver to be back.
    if (outcome.outcome !== 'ok') await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function settleOf(sink: Sink, upTo: number): ReturnType<Sink['send']> {
  const outcome = await sink.send([]);
  if (outcome.outcome === 'ok' && outcome.acknowledged !== undefined && outcome.acknowledged !== upTo)
    throw new Error(`acknowledged ${String(outcome.acknowledged)} in place of ${String(upTo)}`);
  return outcome;
}
