import { VERDICT_LABELS } from '../../api/labels.ts';
import type { BenchmarkResult, ControlVerdict, JudgedFinding } from '../../posture/benchmark/compliance.ts';
import type { Listing } from '../output/listing.ts';
import type { Paint } from '../render/paint.ts';

/** What people read for the result of a control. */
export const CONTROL_LABELS = Object.freeze({ ...VERDICT_LABELS, notJudged: 'not judged' } satisfies Record<
  ControlVerdict,
  string
>);

/** The controls of a benchmark with their results, in the order of the benchmark. */
export function controlListing(
  { benchmark, controls, counts, score }: BenchmarkResult<JudgedFinding>,
  paint: Paint,
): Listing {
  const items = controls.map(({ control, verdict, findings, missing }) => ({
    control: control.id,
    title: control.title,
    level: control.level,
    verdict,
    checks: control.checks,
    failed: findings.filter((finding) => finding.verdict === 'fail').length,
    subjects: findings.length,
    ...(missing.length === 0 ? {} : { missing }),
    ...(control.why === undefined ? {} : { why: control.why }),
  }));
  return {
    document: { benchmark: benchmark.id, title: benchmark.title, score, counts, controls: items },
    items,
    names: items.map(({ control }) => control),
    columns: [
      { title: 'CONTROL' },
      { title: 'LEVEL', wide: true },
      { title: 'RESULT' },
      { title: 'FAILED', align: 'right' },
      { title: 'OF', align: 'right' },
      { title: 'WHAT IT ASKS FOR' },
      { title: 'CHECKS', wide: true },
    ],
    rows: items.map(({ control, level, verdict, failed, subjects, title, checks }) => [
      { text: control },
      { text: String(level), value: level },
      {
        text: CONTROL_LABELS[verdict],
        paint: (text) => (verdict === 'notJudged' ? paint.dim(text) : paint.verdict(verdict, text)),
      },
      { text: failed === 0 ? '' : String(failed), value: failed },
      { text: String(subjects), value: subjects },
      { text: title },
      { text: checks.join(', ') },
    ]),
    empty: 'No control.',
  };
}

/** `CIS Docker Benchmark 1.8.0: 61 of 79 controls pass (77 %); 12 failed, 6 unknown, …`, in one line. */
export function scoreLine({ benchmark, counts, score }: BenchmarkResult<JudgedFinding>): string {
  const percent = score.percent === null ? '' : ` (${String(score.percent)} %)`;
  const rest = (['fail', 'unknown', 'manual', 'notApplicable', 'notJudged'] as const)
    .filter((verdict) => counts[verdict] > 0)
    .map((verdict) => `${String(counts[verdict])} ${CONTROL_LABELS[verdict]}`);
  return `${benchmark.title}: ${String(score.passed)} of ${String(score.counted)} controls pass${percent}${rest.length === 0 ? '' : `; ${rest.join(', ')}`}`;
}
