import t from 'tap';
import {
  carryOut,
  EXAMINATION_DEADLINE_MS,
  fine,
  problem,
  unknown,
  warning,
  worstOf,
} from '../../service/examination.ts';
import type { Examination } from '../../service/examination.ts';
import { turnedClock } from '../../service/turned-clock.ts';

const examination = (id: string, examine: Examination<string>['examine']): Examination<string> => ({
  id,
  group: 'node',
  title: id,
  examine,
});

void t.test('all at the same time, in order, each within its deadline', async (t) => {
  const clock = turnedClock();
  const carried = carryOut(
    [
      examination('hangs', () => new Promise(() => undefined)),
      examination('fine', (subject) => fine(`saw ${subject}`)),
      examination('rejects', () => Promise.reject(new Error('EIO: i/o error'))),
      examination('throws', () => {
        throw new TypeError('a defect');
      }),
    ],
    'it',
    clock,
  );
  await clock.turn(EXAMINATION_DEADLINE_MS);
  const told = (await carried).map(({ id, outcome, seen }) => `${id}: ${outcome}: ${seen}`);
  t.strictSame(told, [
    'hangs: unknown: no answer within 2 s',
    'fine: ok: saw it',
    'rejects: unknown: the examination itself failed: EIO: i/o error',
    'throws: unknown: the examination itself failed: a defect',
  ]);
  t.equal(clock.waiting(), 0, 'no timer is left');
});

void t.test('the worst counts, with all that is as bad', (t) => {
  t.strictSame(worstOf([fine('a'), fine(''), fine('b')]), fine('a; b'));
  t.strictSame(worstOf([fine('a'), warning('w', 'do'), unknown('u', 'look')]), unknown('u', 'look'));
  t.strictSame(
    worstOf([problem('p', 'x'), unknown('u'), problem('q', 'x'), problem('r', 'y')]),
    problem('p; q; r', 'x; y'),
  );
  t.end();
});
