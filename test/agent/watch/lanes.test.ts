import t from 'tap';
import { FULL_PACE, paceOf } from '../../../agent/budget/pace.ts';
import type { Pace } from '../../../agent/budget/pace.ts';
import { createContainerLane } from '../../../agent/watch/container-lane.ts';
import { createFactLane } from '../../../agent/watch/fact-lane.ts';
import { reactionTo } from '../../../agent/watch/runtime-reaction.ts';
import { turnedClock } from '../../../service/turned-clock.ts';

const pace = (): Pace => FULL_PACE;

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
  const lane = createContainerLane({ look, onOverflow: () => t.fail('overflow'), pace, clock: turnedClock() });
  lane.touch('a');
  lane.touch('a');
  lane.touch('a');
  t.same(begun, ['a']);
  await end('a');
  t.same(begun, ['a', 'a'], 'once more, since something happened while it was looked at');
  await end('a');
  t.same(begun, ['a', 'a']);
  t.same([...lane.takeLooked()], ['a']);
  t.same([...lane.takeLooked()], []);
});

void t.test('at most six at a time; what is too much becomes a round', async (t) => {
  const { look, begun, open, end } = looks();
  let overflows = 0;
  const lane = createContainerLane({ look, onOverflow: () => (overflows += 1), pace, clock: turnedClock() });
  for (let index = 0; index < 262; index += 1) lane.touch(`c${String(index)}`);
  t.equal(open.size, 6);
  t.equal(overflows, 0);
  lane.touch('one-more');
  t.equal(overflows, 1);
  await end('c0');
  t.equal(begun.length, 6, 'the queue was emptied');
});

void t.test('execs are looked at soon, then seldom', async (t) => {
  const clock = turnedClock();
  const { look, begun, end } = looks();
  const lane = createContainerLane({ look, onOverflow: () => undefined, pace, clock });
  lane.touchSeldom('a');
  t.equal(begun.length, 0, 'the process is not there yet');
  await clock.turn(300);
  t.equal(begun.length, 1);
  await end('a');
  for (let second = 0; second < 60; second += 1) {
    lane.touchSeldom('a');
    await clock.turn(1000);
    await end('a');
  }
  t.ok(begun.length >= 3 && begun.length <= 4, `a process a second, ${String(begun.length)} looks in a minute`);
});

void t.test('facts one after the other, the same one at most once a second, rounds first', async (t) => {
  const clock = turnedClock();
  const controller = new AbortController();
  const read: string[] = [];
  const lane = createFactLane({
    clock,
    pace,
    signal: controller.signal,
    readRound: (reason) => Promise.resolve(void read.push(`round ${reason}`)),
    readFact: (fact) => Promise.resolve(void read.push(fact)),
  });
  const running = lane.run();
  lane.stale(['docker']);
  lane.round('sweep');
  lane.round('again');
  await clock.turn(0);
  t.same(read, ['round sweep'], 'the round has read docker too');
  lane.stale(['docker', 'files']);
  await clock.turn(0);
  lane.stale(['docker']);
  await clock.turn(999);
  t.same(read.slice(1), ['docker', 'files']);
  await clock.turn(1);
  t.same(read.slice(1), ['docker', 'files', 'docker']);
  controller.abort();
  await running;
});

void t.test('slowed down: one look after the other, and what happens within the delay is one look', async (t) => {
  const clock = turnedClock();
  const { look, begun, end } = looks();
  const lane = createContainerLane({ look, onOverflow: () => t.fail('overflow'), pace: () => paceOf(2), clock });
  lane.touch('a');
  await clock.turn(2000);
  lane.touch('b');
  lane.touch('a');
  await clock.turn(2999);
  t.same(begun, []);
  await clock.turn(1);
  t.same(begun, ['a'], 'five seconds after the first event');
  await clock.turn(10_000);
  t.same(begun, ['a'], 'b waits until a is done');
  await end('a');
  t.same(begun, ['a', 'b']);
  lane.touch('b');
  await end('b');
  t.same(begun, ['a', 'b'], 'an event during the look is not lost, and waits for its time');
  await clock.turn(5000);
  t.same(begun, ['a', 'b', 'b']);
});

void t.test('far over budget: no single looks, a round in their place; back at full speed at once', async (t) => {
  const clock = turnedClock();
  const { look, begun } = looks();
  let steps = 3;
  let rounds = 0;
  const lane = createContainerLane({ look, onOverflow: () => (rounds += 1), pace: () => paceOf(steps), clock });
  lane.touch('a');
  steps = 4;
  lane.touch('b');
  lane.touch('c');
  t.equal(rounds, 2);
  await clock.turn(60_000);
  t.same(begun, [], 'a is in the round too');
  steps = 0;
  lane.touch('d');
  t.same(begun, ['d']);
});

void t.test('slowed down: execs more seldom', async (t) => {
  const clock = turnedClock();
  const { look, begun, end } = looks();
  const lane = createContainerLane({ look, onOverflow: () => undefined, pace: () => paceOf(1), clock });
  for (let second = 0; second < 120; second += 1) {
    lane.touchSeldom('a');
    await clock.turn(1000);
    await end('a');
  }
  t.ok(begun.length >= 2 && begun.length <= 3, `a process a second, ${String(begun.length)} looks in two minutes`);
});

void t.test('slowed down: rounds and facts at a distance, and none forgotten', async (t) => {
  const clock = turnedClock();
  const controller = new AbortController();
  const read: string[] = [];
  let steps = 4;
  const lane = createFactLane({
    clock,
    pace: () => paceOf(steps),
    signal: controller.signal,
    readRound: (reason) => Promise.resolve(void read.push(`round ${reason}`)),
    readFact: (fact) => Promise.resolve(void read.push(fact)),
  });
  const running = lane.run();
  lane.round('sweep');
  await clock.turn(0);
  t.same(read, ['round sweep'], 'the first one at once');
  lane.round('containers changed');
  lane.stale(['docker']);
  await clock.turn(0);
  lane.stale(['docker']);
  lane.round('containers changed');
  await clock.turn(59_999);
  t.same(read.slice(1), ['docker']);
  await clock.turn(1);
  t.same(read.slice(1), ['docker', 'docker']);
  await clock.turn(239_999);
  t.same(read.slice(3), []);
  await clock.turn(1);
  t.same(read.slice(3), ['round containers changed']);
  lane.round('containers changed');
  await clock.turn(1000);
  steps = 0;
  lane.stale(['agent']);
  await clock.turn(0);
  t.same(read.slice(4), ['round containers changed'], 'as soon as the pace is another, which makes a fact stale');
  controller.abort();
  await running;
});

void t.test('what events ask for', (t) => {
  const table = [
    [
      { kind: 'container', action: 'start', id: 'c' },
      { kind: 'start', id: 'c' },
    ],
    [
      { kind: 'container', action: 'die', id: 'c' },
      { kind: 'container', id: 'c' },
    ],
    [
      { kind: 'container', action: 'update', id: 'c' },
      { kind: 'container', id: 'c' },
    ],
    [
      { kind: 'container', action: 'exec_start', id: 'c' },
      { kind: 'exec', id: 'c' },
    ],
    [{ kind: 'container', action: 'exec_create', id: 'c' }, { kind: 'nothing' }],
    [
      { kind: 'container', action: 'create', id: 'c' },
      { kind: 'container', id: 'c' },
    ],
    [
      { kind: 'network', action: 'connect', id: 'n', container: 'c' },
      { kind: 'container', id: 'c' },
    ],
    [{ kind: 'network', action: 'connect', id: 'n' }, { kind: 'nothing' }],
    [{ kind: 'daemon', action: 'reload', id: 'd' }, { kind: 'daemon' }],
    [{ kind: 'image', action: 'tag', id: 'i' }, { kind: 'nothing' }],
  ] as const;
  for (const [event, reaction] of table) t.same(reactionTo(event), reaction, `${event.kind} ${event.action}`);
  t.end();
});
