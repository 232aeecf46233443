import t from 'tap';
import { createContainerLane } from '../../../agent/watch/container-lane.ts';
import { createFactLane } from '../../../agent/watch/fact-lane.ts';
import { reactionTo } from '../../../agent/watch/runtime-reaction.ts';
import { turnedClock } from '../../../service/turned-clock.ts';

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
  const lane = createContainerLane({ look, onOverflow: () => t.fail('overflow'), clock: turnedClock() });
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
  const lane = createContainerLane({ look, onOverflow: () => (overflows += 1), clock: turnedClock() });
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
  const lane = createContainerLane({ look, onOverflow: () => undefined, clock });
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

void t.test('what events ask for', (t) => {
  const table = [
    [
      { kind: 'container', action: 'start', id: 'c' },
      { kind: 'container', id: 'c' },
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
    [{ kind: 'container', action: 'create', id: 'c' }, { kind: 'nothing' }],
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
