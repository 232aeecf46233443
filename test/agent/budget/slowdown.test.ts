import * as fc from 'fast-check';
import t from 'tap';
import { CRITICAL_STEP, UNTHROTTLED, throttleProfileAt } from '../../../agent/budget/throttle-profile.ts';
import { AT_FULL_SPEED, nextSlowdown } from '../../../agent/budget/slowdown.ts';
import type { Load, Slowdown } from '../../../agent/budget/slowdown.ts';

const OVER_CPU = { memory: 0.5, cpu: 1.2 };
const OVER_MEMORY = { memory: 1.2, cpu: 0.1 };
const IDLE = { memory: 0.5, cpu: 0.1 };
const ALMOST = { memory: 0.9, cpu: 0.1 };

/** The step after each of `count` equal measurements. */
function steps(from: Slowdown, load: Load, count: number): { readonly steps: number[]; readonly last: Slowdown } {
  let last = from;
  const steps = Array.from({ length: count }, () => (last = nextSlowdown(last, load)).step);
  return { steps, last };
}

void t.test('slows down after half a minute, then once a minute, as far as it goes', (t) => {
  const { steps: taken, last } = steps(AT_FULL_SPEED, OVER_CPU, 27);
  const expected = [0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4];
  t.same(taken, expected);
  t.equal(throttleProfileAt(last.step).level, 'critical');
  t.end();
});

void t.test('recovers one step a minute while well under, and one in ten minutes while just under', (t) => {
  const critical = { step: 4, over: 0, credit: 0 };
  const quick = steps(critical, IDLE, 24).steps;
  t.same(
    [5, 6, 11, 12, 17, 18, 23, 24].map((count) => quick[count - 1]),
    [4, 3, 3, 2, 2, 1, 1, 0],
  );
  const slow = steps({ step: 1, over: 0, credit: 0 }, ALMOST, 60).steps;
  t.same([slow[58], slow[59]], [1, 0]);
  t.end();
});

void t.test('one measurement over budget, or two, do nothing', (t) => {
  let state = AT_FULL_SPEED;
  for (const load of [OVER_CPU, OVER_CPU, IDLE, OVER_CPU, OVER_CPU, ALMOST]) state = nextSlowdown(state, load);
  t.same(state, AT_FULL_SPEED);
  t.end();
});

void t.test('memory alone slows down so far, in danger further, and back when it is not', (t) => {
  t.equal(steps(AT_FULL_SPEED, OVER_MEMORY, 100).last.step, 2);
  const { last } = steps(AT_FULL_SPEED, { memory: 1.6, cpu: 0.1 }, 100);
  t.equal(last.step, CRITICAL_STEP);
  t.equal(steps(last, OVER_MEMORY, 100).last.step, 2, 'still over, and no longer in danger');
  t.end();
});

void t.test('the pace only ever gets slower with the step', (t) => {
  t.equal(throttleProfileAt(0), UNTHROTTLED);
  t.equal(throttleProfileAt(99), throttleProfileAt(CRITICAL_STEP));
  t.equal(throttleProfileAt(-1), UNTHROTTLED);
  for (let step = 1; step <= CRITICAL_STEP; step += 1) {
    const [before, after] = [throttleProfileAt(step - 1), throttleProfileAt(step)];
    t.equal(after.sweepFactor, before.sweepFactor * 2);
    t.ok(after.roundIntervalMs > before.roundIntervalMs);
    t.ok(after.factIntervalMs > before.factIntervalMs);
    t.ok(after.looksAtOnce <= before.looksAtOnce && after.queriesAtOnce <= before.queriesAtOnce);
  }
  t.end();
});

const share = fc.double({ min: 0, max: 3, noNaN: true });
const loads = fc.array(fc.record({ memory: share, cpu: share }), { maxLength: 400 });
const worst = ({ memory, cpu }: Load): number => Math.max(memory, cpu);

void t.test('whatever is measured', (t) => {
  fc.assert(
    fc.property(loads, (measured) => {
      let state = AT_FULL_SPEED;
      let overInARow = 0;
      let sinceChange = 0;
      for (const load of measured) {
        const next = nextSlowdown(state, load);
        overInARow = worst(load) > 1 ? overInARow + 1 : 0;
        sinceChange += 1;
        const change = next.step - state.step;
        if (next.step < 0 || next.step > CRITICAL_STEP || Math.abs(change) > 1) return false;
        // Up only out of a row of excess, and never faster than that.
        if (change > 0 && overInARow < 3) return false;
        if (change > 0 && state.step > 0 && sinceChange < 6) return false;
        // Down only after a minute in which nothing asked for more.
        if (change < 0 && sinceChange < 6) return false;
        if (change !== 0) sinceChange = 0;
        state = next;
      }
      // Whatever came before, a quiet agent is at full speed after four minutes and stays there.
      return steps(state, IDLE, 24).last.step === 0;
    }),
  );
  t.end();
});

void t.test('never flaps: a load that stays within budget never slows down', (t) => {
  const within = fc.array(fc.record({ memory: fc.double({ min: 0, max: 1 }), cpu: fc.double({ min: 0, max: 1 }) }));
  fc.assert(
    fc.property(within, (measured) => {
      let state = AT_FULL_SPEED;
      for (const load of measured) state = nextSlowdown(state, load);
      return state.step === 0;
    }),
  );
  t.end();
});
