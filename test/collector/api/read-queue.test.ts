import t from 'tap';
import { createReadQueue } from '../../../collector/api/read-queue.ts';
import type { Clock } from '../../../service/clock.ts';

/** A clock that moves only for waits and for `spend`. */
function manualClock(): { readonly clock: Clock; readonly spend: (durationMs: number) => void } {
  let nowMs = 0;
  const spend = (durationMs: number): void => void (nowMs += durationMs);
  const after = (delayMs: number, run: () => void): (() => void) => {
    setImmediate(() => {
      spend(delayMs);
      run();
    });
    return () => undefined;
  };
  return { clock: { now: () => nowMs, monotonic: () => nowMs, after }, spend };
}

await t.test(
  'many reads at once take at most half of the time, and those that would come too late are refused',
  async (t) => {
    const { clock, spend } = manualClock();
    const queue = createReadQueue(clock);
    const read = async (): Promise<string> => {
      spend(40);
      return 'read';
    };
    const outcomes = await Promise.all(
      Array.from({ length: 200 }, () => queue.run('a', read, (ms) => `retry in ${String(ms)}`)),
    );
    const served = outcomes.filter((outcome) => outcome === 'read').length;
    t.ok(served * 40 <= 100 + 40 + clock.monotonic() / 2, `${String(served)} reads in ${String(clock.monotonic())} ms`);
    t.ok(served >= 60, `${String(served)} were served within five seconds`);
    t.same(new Set(outcomes), new Set(['read', 'retry in 5000']));
    t.equal(outcomes.lastIndexOf('read'), served - 1, 'in the order in which they came');
  },
);

await t.test('a read that fails counts, rejects, and does not stop the next', async (t) => {
  const { clock, spend } = manualClock();
  const queue = createReadQueue(clock);
  const failing = queue.run(
    'a',
    async () => {
      spend(1000);
      throw new Error('the store failed');
    },
    () => 'refused',
  );
  await t.rejects(failing, { message: 'the store failed' });
  t.equal(
    await queue.run(
      'a',
      async () => 'read',
      () => 'refused',
    ),
    'read',
  );
  t.ok(clock.monotonic() >= 1000 + 1800, 'the next one waited until the long one was made up for');
});

await t.test('a caller with one request does not wait behind the many of another', async (t) => {
  const { clock, spend } = manualClock();
  const queue = createReadQueue(clock);
  const order: string[] = [];
  const read = (name: string) => async (): Promise<void> => {
    order.push(name);
    spend(40);
  };
  const many = Array.from({ length: 50 }, () => queue.run('many', read('many'), () => undefined));
  await queue.run('one', read('one'), () => t.fail('refused'));
  t.ok(order.indexOf('one') <= 2, `place ${String(order.indexOf('one'))}`);
  await Promise.all(many);
});

await t.test('a caller with short reads is not refused while others keep reading for seconds', async (t) => {
  const { clock, spend } = manualClock();
  const queue = createReadQueue(clock);
  const read = (durationMs: number) => async (): Promise<string> => {
    spend(durationMs);
    return 'read';
  };
  const heavy = ['a', 'b', 'c', 'd', 'e', 'f'].flatMap((name) =>
    Array.from({ length: 5 }, () => queue.run(name, read(1_000), () => 'refused')),
  );
  await queue.run('light', read(5), () => 'refused');
  for (let round = 0; round < 5; round += 1) {
    const startMs = clock.monotonic();
    t.equal(await queue.run('light', read(5), () => 'refused'), 'read');
    t.ok(clock.monotonic() - startMs <= 4_000, `waited ${String(clock.monotonic() - startMs)} ms`);
  }
  await Promise.all(heavy);
});
