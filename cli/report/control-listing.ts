import { VERDICT_LABELS } from '../../api/labels.ts';
import { countVerdicts, countWaived } from '../../posture/benchmark/compliance.ts';
import type { BenchmarkResult, ControlVerdict, JudgedFinding, Score } from '../../posture/benchmark/compliance.ts';
import type { Verdict } from '../../posture/verdict.ts';
import type { Listing } from '../output/listing.ts';
import type { Paint } from '../render/paint.ts';

/** What people read for the result of a control. */
export const CONTROL_LABELS = Object.freeze({ ...VERDICT_LABELS, notJudged: 'not judged' } satisfies Record<
  ControlVerdict,
  string
>);

/** A control with its result, as documents have it. */
export interface ControlItem {
  readonly control: string;
  readonly title: string;
  readonly level: number;
  readonly verdict: ControlVerdict;
  readonly checks: readonly string[];
  /** Findings of its checks that fail, of how many. */
  readonly failed: number;
  /** Findings that waivers accept; failures among them are also in `failed`. */
  readonly waived: number;
  /** It fails, and waivers accept all of its failures. */
  readonly onlyWaived: boolean;
  readonly subjects: number;
  /** Checks without a finding. */
  readonly missing: readonly string[];
  readonly why?: string | undefined;
}

/** The results of the controls of a benchmark. */
export interface ControlResults {
  readonly benchmark: string;
  readonly title: string;
  readonly score: Score;
  readonly counts: Readonly<Record<ControlVerdict, number>>;
  /** Failed controls with waived failures only. */
  readonly waived: number;
  readonly controls: readonly ControlItem[];
}

/** The results as documents have them. */
export function controlResults({
  benchmark,
  controls,
  counts,
  waived,
  score,
}: BenchmarkResult<JudgedFinding>): ControlResults {
  return {
    benchmark: benchmark.id,
    title: benchmark.title,
    score,
    counts,
    waived,
    controls: controls.map(
      ({ control: { id, title, level, checks, why }, verdict, findings, missing, onlyWaived }) => ({
        control: id,
        title,
        level,
        verdict,
        checks,
        ...subjectsOf(countVerdicts(findings)),
        waived: countWaived(findings),
        onlyWaived,
        missing,
        why,
      }),
    ),
  };
}

/** How many findings fail, and how many there are. */
export function subjectsOf(counts: Readonly<Record<Verdict, number>>): Pick<ControlItem, 'failed' | 'subjects'> {
  return { failed: counts.fail, subjects: Object.values(counts).reduce((sum, count) => sum + count, 0) };
}

/** The controls of a benchmark with their results, in the order of the benchmark. */
export function controlListing(results: ControlResults, paint: Paint): Listing {
  const items = results.controls;
  return {
    document: results,
    items,
    names: items.map(({ control }) => control),
    columns: [
      { title: 'CONTROL' },
      { title: 'LEVEL', wide: true },
      { title: 'RESULT' },
      { title: 'FAILED', align: 'right' },
      { title: 'WAIVED', align: 'right' },
      { title: 'OF', align: 'right' },
      { title: 'WHAT IT ASKS FOR' },
      { title: 'CHECKS', wide: true },
    ],
    rows: items.map(({ control, level, verdict, failed, waived, onlyWaived, subjects, title, checks }) => [
      { text: control },
      { text: String(level), value: level },
      {
        text: onlyWaived ? 'waived' : CONTROL_LABELS[verdict],
        paint: (text) => (verdict === 'notJudged' ? paint.dim(text) : paint.verdict(verdict, text)),
      },
      { text: failed === 0 ? '' : String(failed), value: failed },
      { text: waived === 0 ? '' : String(waived), value: waived },
      { text: String(subjects), value: subjects },
      { text: title },
      { text: checks.join(', ') },
    ]),
    empty: 'No control.',
  };
}

/** `CIS Docker Benchmark 1.8.0: 61 of 79 controls pass (77 %); 12 failed (2 with waived failures only), 6 unknown, …`. */
export function scoreLine({
  title,
  counts,
  waived,
  score,
}: Pick<ControlResults, 'title' | 'counts' | 'waived' | 'score'>): string {
  const ofFailed = waived === 0 ? '' : ` (${String(waived)} with waived failures only)`;
  const percent = score.percent === null ? '' : ` (${String(score.percent)} %)`;
  const rest = (['fail', 'unknown', 'manual', 'notApplicable', 'notJudged'] as const)
    .filter((verdict) => counts[verdict] > 0)
    .map((verdict) => `${String(counts[verdict])} ${CONTROL_LABELS[verdict]}${verdict === 'fail' ? ofFailed : ''}`);
  return `${title}: ${String(score.passed)} of ${String(score.counted)} controls pass${percent}${rest.length === 0 ? '' : `; ${rest.join(', ')}`}`;
}
