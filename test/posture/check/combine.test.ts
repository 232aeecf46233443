import t from 'tap';
import { allOf } from '../../../posture/check/combine.ts';
import { fail, failAs, manual, notApplicable, pass, unknownBecause } from '../../../posture/verdict.ts';
import type { Evidence } from '../../../posture/verdict.ts';

const at = (source: string): Evidence => ({ source, seen: 'a', expected: 'b' });

t.match(allOf('low', []), { verdict: 'notApplicable' }, 'nothing to judge');
t.match(allOf('low', [pass(at('1')), pass(at('2'))]), { verdict: 'pass', evidence: [at('1'), at('2')] });
t.equal(allOf('low', [notApplicable('x'), pass(at('1'))]).verdict, 'pass', 'what does not arise does not spoil it');
t.equal(allOf('low', [notApplicable('x'), notApplicable('y')]).verdict, 'notApplicable');
t.equal(allOf('low', [pass(at('1')), manual('x')]).verdict, 'manual');
t.match(allOf('low', [manual('x'), unknownBecause('y'), pass()]), { verdict: 'unknown', reason: 'y' });
t.equal(allOf('low', [unknownBecause('y'), fail('1', at('1'))]).verdict, 'fail', 'one proof of failure is enough');

void t.test('the worst failure decides the severity and comes first', (t) => {
  const judged = allOf('medium', [
    failAs('low', '1', at('1')),
    fail('2', at('2')),
    failAs('high', '3', at('3')),
    pass(at('4')),
  ]);
  t.strictSame(judged, { verdict: 'fail', reason: '3', severity: 'high', evidence: [at('3'), at('2'), at('1')] });
  t.equal(allOf('medium', [failAs('low', '1', at('1')), fail('2', at('2'))]).severity, undefined, 'that of the check');
  t.end();
});

t.strictSame(allOf('low', [fail('1', at('1')), fail('1', at('1'))]).evidence, [at('1')], 'each piece once');
const many = Array.from({ length: 300 }, (_, index) => fail('x', at(String(index))));
t.equal(allOf('low', many).evidence.length, 8, 'bounded');
