import t from 'tap';
import type { Benchmark } from '../../../posture/benchmark/benchmark.ts';
import { assessBenchmark } from '../../../posture/benchmark/compliance.ts';
import { VERDICTS } from '../../../posture/verdict.ts';
import type { Verdict } from '../../../posture/verdict.ts';

const control = (id: string, level: number, ...checks: readonly string[]) => ({ id, title: id, level, checks });
const benchmark = (...controls: Benchmark['controls']): Benchmark => ({ id: 'b', title: 'B', controls });
const findings = (check: string, ...verdicts: readonly Verdict[]) => verdicts.map((verdict) => ({ check, verdict }));

void t.test('a control has the worst verdict of its subjects and checks', (t) => {
  const cases: readonly (readonly [readonly Verdict[], string])[] = [
    [['pass', 'pass'], 'pass'],
    [['pass', 'notApplicable'], 'pass'],
    [['notApplicable'], 'notApplicable'],
    [['pass', 'fail', 'unknown', 'manual'], 'fail'],
    [['pass', 'unknown', 'manual'], 'unknown'],
    [['pass', 'manual'], 'manual'],
  ];
  for (const [verdicts, expected] of cases) {
    const result = assessBenchmark(benchmark(control('1', 1, 'a.b')), findings('a.b', ...verdicts));
    t.equal(result.controls[0]?.verdict, expected, verdicts.join(','));
  }
  t.end();
});

void t.test('a check that gave nothing is unknown, never a pass', (t) => {
  const two = benchmark(control('1', 1, 'a.b', 'c.d'));
  const [result] = assessBenchmark(two, findings('a.b', 'pass')).controls;
  t.match(result, { verdict: 'unknown', missing: ['c.d'] });
  t.equal(assessBenchmark(two, []).controls[0]?.verdict, 'unknown');
  t.equal(assessBenchmark(two, findings('a.b', 'fail')).controls[0]?.verdict, 'fail');
  t.equal(assessBenchmark(benchmark(control('1', 1)), findings('a.b', 'pass')).controls[0]?.verdict, 'notJudged');
  t.end();
});

void t.test('score: unknown counts as not met, and is never rounded up to all', (t) => {
  const many = Array.from({ length: 200 }, (_, index) => control(String(index), 1, `a.c${String(index)}`));
  const passed = many.slice(1).flatMap(({ checks }) => findings(checks[0] ?? '', 'pass'));
  t.strictSame(assessBenchmark(benchmark(...many), [...passed, ...findings('a.c0', 'unknown')]).score, {
    passed: 199,
    counted: 200,
    percent: 99,
  });
  for (const verdict of ['manual', 'notApplicable'] as const)
    t.equal(assessBenchmark(benchmark(...many), [...passed, ...findings('a.c0', verdict)]).score.percent, 100, verdict);
  t.equal(assessBenchmark(benchmark(control('1', 1)), []).score.percent, null);
  const accepted = findings('a.b', 'fail', 'pass').map((one) => Object.assign({ waived: one.verdict === 'fail' }, one));
  const waived = assessBenchmark(benchmark(control('1', 1, 'a.b')), accepted);
  t.match(waived, { controls: [{ verdict: 'fail', onlyWaived: true }], waived: 1, score: { passed: 0, counted: 1 } });
  const more = assessBenchmark(benchmark(control('1', 1, 'a.b')), [...accepted, ...findings('a.b', 'fail')]);
  t.match(more, { controls: [{ verdict: 'fail', onlyWaived: false }], waived: 0 });
  // Whatever is judged, a verdict that is not a pass never raises the score.
  for (const verdict of VERDICTS.filter((one) => one !== 'pass'))
    t.ok((assessBenchmark(benchmark(control('1', 1, 'a.b')), findings('a.b', verdict)).score.percent ?? 0) === 0);
  t.end();
});

void t.test('level 2 includes level 1', (t) => {
  const levels = benchmark(control('1', 1, 'a.b'), control('2', 2, 'a.b'));
  const of = (level?: number) => assessBenchmark(levels, findings('a.b', 'pass'), { level }).controls.length;
  t.strictSame([of(1), of(2), of()], [1, 2, 2]);
  t.end();
});
