import type { Finding } from '../finding.ts';
import { VERDICTS } from '../verdict.ts';
import type { Verdict } from '../verdict.ts';
import type { Benchmark, Control } from './benchmark.ts';

/** The result of a control: a verdict, or `notJudged` where no check answers the control. */
export type ControlVerdict = Verdict | 'notJudged';

/** All results of a control, in the order in which people want to read them. */
export const CONTROL_VERDICTS = Object.freeze([...VERDICTS, 'notJudged'] as const satisfies readonly ControlVerdict[]);

/** A control with the findings of its checks. */
export interface ControlResult<F extends JudgedFinding = Finding> {
  readonly control: Control;
  readonly verdict: ControlVerdict;
  readonly findings: readonly F[];
  /** Checks of the control that gave no finding, such as those that an older agent does not have. */
  readonly missing: readonly string[];
  /** It fails, and a waiver accepts each of its failures. */
  readonly onlyWaived: boolean;
}

/** A benchmark, judged. */
export interface BenchmarkResult<F extends JudgedFinding = Finding> {
  readonly benchmark: Benchmark;
  readonly controls: readonly ControlResult<F>[];
  readonly counts: Readonly<Record<ControlVerdict, number>>;
  /** Failed controls with waived failures only. */
  readonly waived: number;
  readonly score: Score;
}

/**
 * How far a benchmark is met. A control with waived failures only counts as one that is not met, since an accepted failure
 * is one. A control that could not be judged counts as one that is not met; a control that needs a
 * person, does not apply, or has no check does not count.
 */
export interface Score {
  readonly passed: number;
  /** Controls that pass, fail or are unknown. */
  readonly counted: number;
  /** `passed` in per cent of `counted`, rounded down: 100 means all. Null: nothing was counted. */
  readonly percent: number | null;
}

/**
 * What the result of a control depends on: a finding, or with `count` as many of the same check and verdict. `waived`: a
 * waiver accepts it, or them.
 */
export type JudgedFinding = Pick<Finding, 'check' | 'verdict'> & { readonly count?: number; readonly waived?: boolean };

/** How many findings waivers accept. */
export function countWaived(findings: readonly JudgedFinding[]): number {
  return findings.reduce((sum, { count = 1, waived = false }) => sum + (waived ? count : 0), 0);
}

/** How many findings there are by verdict. */
export function countVerdicts(findings: readonly JudgedFinding[]): Readonly<Record<Verdict, number>> {
  const counts = { pass: 0, fail: 0, notApplicable: 0, unknown: 0, manual: 0 };
  for (const { verdict, count = 1 } of findings) counts[verdict] += count;
  return counts;
}

/** What of a benchmark counts. */
export interface AssessmentScope {
  /** Leaves out controls of higher levels: level 2 of a benchmark includes level 1. */
  readonly level?: number | undefined;
  /** Checks that a profile leaves out, and why: a control of one does not pass. */
  readonly excluded?: ReadonlyMap<string, string> | undefined;
}

const NOTHING_EXCLUDED: ReadonlyMap<string, string> = new Map();

/** The results of the controls of `benchmark`. */
export function assessBenchmark<F extends JudgedFinding>(
  benchmark: Benchmark,
  findings: readonly F[],
  { level = Infinity, excluded = NOTHING_EXCLUDED }: AssessmentScope = {},
): BenchmarkResult<F> {
  const byCheck = Map.groupBy(findings, ({ check }) => check);
  const controls = benchmark.controls
    .filter((control) => control.level <= level)
    .map((control): ControlResult<F> => {
      const left = control.checks.filter((check) => excluded.has(check));
      const judged = control.checks.filter((check) => !excluded.has(check));
      const own = judged.flatMap((check) => byCheck.get(check) ?? []);
      const missing = judged.filter((check) => !byCheck.has(check));
      const verdict = controlVerdict(own, missing);
      const onlyWaived =
        verdict === 'fail' && own.every((finding) => finding.verdict !== 'fail' || finding.waived === true);
      if (left.length === 0) return { control, findings: own, missing, verdict, onlyWaived };
      const reasons = left.map((check) => `${check} is excluded (${excluded.get(check) ?? ''})`);
      const why = [...(control.why === undefined ? [] : [control.why]), ...reasons].join('; ');
      // The others can prove a failure, but not that the whole control is met.
      const isOpen = verdict === 'pass' || verdict === 'notApplicable';
      return {
        control: { ...control, why },
        findings: own,
        missing,
        verdict: isOpen ? 'notJudged' : verdict,
        onlyWaived,
      };
    });
  const counts = Object.fromEntries(CONTROL_VERDICTS.map((verdict) => [verdict, 0])) as Record<ControlVerdict, number>;
  for (const { verdict } of controls) counts[verdict] += 1;
  const waived = controls.filter(({ onlyWaived }) => onlyWaived).length;
  const score = scoreOf(counts.pass, counts.pass + counts.fail + counts.unknown);
  return { benchmark, controls, counts, waived, score };
}

/**
 * One failure fails a control. What could not be judged, a check without a finding included, makes it unknown; what needs
 * a person, manual. It passes where at least one subject passes and the others do not apply.
 */
function controlVerdict(findings: readonly JudgedFinding[], missing: readonly string[]): ControlVerdict {
  if (findings.length === 0 && missing.length === 0) return 'notJudged';
  const verdicts = new Set(findings.map(({ verdict }) => verdict));
  if (missing.length > 0) verdicts.add('unknown');
  return VERDICTS.find((verdict) => verdicts.has(verdict)) ?? 'unknown';
}

/** The score of `passed` among `counted` controls. */
export function scoreOf(passed: number, counted: number): Score {
  return { passed, counted, percent: counted === 0 ? null : Math.floor((100 * passed) / counted) };
}
