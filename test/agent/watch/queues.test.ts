import t from 'tap';
import { UNTHROTTLED, throttleProfileAt } from '../../../agent/budget/throttle-profile.ts';
import type { ThrottleProfile } from '../../../agent/budget/throttle-profile.ts';
import { createContainerQueue } from '../../../agent/watch/container-queue.ts';
import { createFactQueue } from '../../../agent/watch/fact-queue.ts';
import { createFakeClock } from '../../service/fake-clock.ts';

const pace = (): ThrottleProfile => UNTHROTTLED;

/** Looks that end when the test says so. */
function looks() {
  const open = new Map<string, () => void>();
  const begun: string[] = [];
  return {
    open,
    begun,
    look: (id: string): Promise<void> => {
      begun.push(id);
      return new Promise((resolve) => open.set(id, resolve));
    },
    end: async (id: string): Promise<void> => {
      open.get(id)?.();
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    },
  };
}

void t.test('events of one container are joined, but none that may have come too late', async (t) => {
  const { look, begun, end } = looks();
  const queue = createContainerQueue({ look, onOverflow: () => t.fail('overflow'), pace, clock: createFakeClock() });
  queue.enqueue('a');
  queue.enqueue('a');
  queue.enqueue('a');
  t.same(begun, ['a']);
  await end('a');
  t.same(begun, ['a', 'a'], 'once more, since something happened while it was looked at');
  await end('a');
  t.same(begun, ['a', 'a']);
  t.same([...queue.drain()], ['a']);
  t.same([...queue.drain()], []);
});

void t.test('at most six at a time; what is too much becomes a round', async (t) => {
  const { look, begun, open, end } = looks();
  let overflows = 0;
  const queue = createContainerQueue({ look, onOverflow: () => (overflows += 1), pace, clock: createFakeClock() });
  for (let index = 0; index < 262; index += 1) queue.enqueue(`c${String(index)}`);
  t.equal(open.size, 6);
  t.equal(overflows, 0);
  queue.enqueue('one-more');
  t.equal(overflows, 1);
  await end('c0');
  t.equal(begun.length, 6, 'the queue was emptied');
});

void t.test('execs are looked at soon, then seldom', async (t) => {
  const clock = createFakeClock();
  const { look, begun, end } = looks();
  const queue = createContainerQueue({ look, onOverflow: () => undefined, pace, clock });
  queue.enqueueThrottled('a');
  t.equal(begun.length, 0, 'the process is not there yet');
  await clock.advance(300);
  t.equal(begun.length, 1);
  await end('a');
  for (let second = 0; second < 60; second += 1) {
    queue.enqueueThrottled('a');
    await clock.advance(1000);
    await end('a');
  }
  t.ok(begun.length >= 3 && begun.length <= 4, `a process a second, ${String(begun.length)} looks in a minute`);
});

void t.test('facts one after the other, the same one at most once a second, rounds first', async (t) => {
  const clock = createFakeClock();
  const controller = new AbortController();
  const read: string[] = [];
  const queue = createFactQueue({
    clock,
    pace,
    signal: controller.signal,
    readRound: (reason) => Promise.resolve(void read.push(`round ${reason}`)),
    readFact: (fact) => Promise.resolve(void read.push(fact)),
  });
  const running = queue.run();
  queue.enqueueFacts(['docker']);
  queue.enqueueRound('sweep');
  queue.enqueueRound('again');
  await clock.advance(0);
  t.same(read, ['round sweep'], 'the round has read docker too');
  queue.enqueueFacts(['docker', 'files']);
  await clock.advance(0);
  queue.enqueueFacts(['docker']);
  await clock.advance(999);
  t.same(read.slice(1), ['docker', 'files']);
  await clock.advance(1);
  t.same(read.slice(1), ['docker', 'files', 'docker']);
  controller.abort();
  await running;
});

void t.test('slowed down: one look after the other, and what happens within the delay is one look', async (t) => {
  const clock = createFakeClock();
  const { look, begun, end } = looks();
  const queue = createContainerQueue({
    look,
    onOverflow: () => t.fail('overflow'),
    pace: () => throttleProfileAt(2),
    clock,
  });
  queue.enqueue('a');
  await clock.advance(2000);
  queue.enqueue('b');
  queue.enqueue('a');
  await clock.advance(2999);
  t.same(begun, []);
  await clock.advance(1);
  t.same(begun, ['a'], 'five seconds after the first event');
  await clock.advance(10_000);
  t.same(begun, ['a'], 'b waits until a is done');
  await end('a');
  t.same(begun, ['a', 'b']);
  queue.enqueue('b');
  await end('b');
  t.same(begun, ['a', 'b'], 'an event during the look is not lost, and waits for its time');
  await clock.advance(5000);
  t.same(begun, ['a', 'b', 'b']);
});

void t.test('far over budget: no single looks, a round in their place; back at full speed at once', async (t) => {
  const clock = createFakeClock();
  const { look, begun } = looks();
  let steps = 3;
  let rounds = 0;
  const queue = createContainerQueue({
    look,
    onOverflow: () => (rounds += 1),
    pace: () => throttleProfileAt(steps),
    clock,
  });
  queue.enqueue('a');
  steps = 4;
  queue.enqueue('b');
  queue.enqueue('c');
  t.equal(rounds, 2);
  await clock.advance(60_000);
  t.same(begun, [], 'a is in the round too');
  steps = 0;
  queue.enqueue('d');
  t.same(begun, ['d']);
});

void t.test('slowed down: execs more seldom', async (t) => {
  const clock = createFakeClock();
  const { look, begun, end } = looks();
  const queue = createContainerQueue({ look, onOverflow: () => undefined, pace: () => throttleProfileAt(1), clock });
  for (let second = 0; second < 120; second += 1) {
    queue.enqueueThrottled('a');
    await clock.advance(1000);
    await end('a');
  }
  t.ok(begun.length >= 2 && begun.length <= 3, `a process a second, ${String(begun.length)} looks in two minutes`);
});

void t.test('slowed down: rounds and facts at a distance, and none lost', async (t) => {
  const clock = createFakeClock();
  const controller = new AbortController();
  const read: string[] = [];
  let steps = 4;
  const queue = createFactQueue({
    clock,
    pace: () => throttleProfileAt(steps),
    signal: controller.signal,
    readRound: (reason) => Promise.resolve(void read.push(`round ${reason}`)),
    readFact: (fact) => Promise.resolve(void read.push(fact)),
  });
  const running = queue.run();
  queue.enqueueRound('sweep');
  await clock.advance(0);
  t.same(read, ['round sweep'], 'the first one at once');
  queue.enqueueRound('containers changed');
  queue.enqueueFacts(['docker']);
  await clock.advance(0);
  queue.enqueueFacts(['docker']);
  queue.enqueueRound('containers changed');
  await clock.advance(59_999);
  t.same(read.slice(1), ['docker']);
  await clock.advance(1);
  t.same(read.slice(1), ['docker', 'docker']);
  await clock.advance(239_999);
  t.same(read.slice(3), []);
  await clock.advance(1);
  t.same(read.slice(3), ['round containers changed']);
  queue.enqueueRound('containers changed');
  await clock.advance(1000);
  steps = 0;
  queue.enqueueFacts(['agent']);
  await clock.advance(0);
  t.same(read.slice(4), ['round containers changed'], 'as soon as the pace is another, which makes a fact stale');
  controller.abort();
  await running;
});
