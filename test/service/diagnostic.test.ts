import t from 'tap';
import {
  runDiagnostics,
  DIAGNOSTIC_DEADLINE_MS,
  ok,
  problem,
  unknown,
  warning,
  worstResult,
} from '../../service/diagnostic.ts';
import type { Diagnostic } from '../../service/diagnostic.ts';
import { createFakeClock } from './fake-clock.ts';

const diagnostic = (id: string, run: Diagnostic<string>['run']): Diagnostic<string> => ({
  id,
  title: id,
  run,
});

void t.test('all at the same time, in order, each within its deadline', async (t) => {
  const clock = createFakeClock();
  const carried = runDiagnostics(
    [
      diagnostic('hangs', () => new Promise(() => undefined)),
      diagnostic('fine', (subject) => ok(`saw ${subject}`)),
      diagnostic('rejects', () => Promise.reject(new Error('EIO: i/o error'))),
      diagnostic('throws', () => {
        throw new TypeError('a defect');
      }),
    ],
    'it',
    clock,
  );
  await clock.advance(DIAGNOSTIC_DEADLINE_MS);
  const results = (await carried).map(({ id, outcome, observed }) => `${id}: ${outcome}: ${observed}`);
  t.strictSame(results, [
    'hangs: unknown: no answer within 5 s',
    'fine: ok: saw it',
    'rejects: unknown: the diagnostic failed: EIO: i/o error',
    'throws: unknown: the diagnostic failed: a defect',
  ]);
  t.equal(clock.waiting(), 0, 'no timer is left');
});

void t.test('the worst counts, with all that is as bad', (t) => {
  t.strictSame(worstResult([ok('a'), ok(''), ok('b')]), ok('a; b'));
  t.strictSame(worstResult([ok('a'), warning('w', 'do'), unknown('u', 'look')]), unknown('u', 'look'));
  t.strictSame(
    worstResult([problem('p', 'x'), unknown('u'), problem('q', 'x'), problem('r', 'y')]),
    problem('p; q; r', 'x; y'),
  );
  t.end();
});
