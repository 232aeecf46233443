import { CONTROL_VERDICTS } from '../posture/benchmark/compliance.ts';
import type { ControlVerdict } from '../posture/benchmark/compliance.ts';
import * as s from '../posture/schema.ts';
import { count, eachOf, time, verdictCounts } from './part.ts';

const score = s.object({
  passed: count('controls that pass'),
  counted: count('controls that pass, fail or are unknown'),
  percent: s.nullable(count('`passed` in per cent of `counted`, rounded down'), 'absent: nothing was counted'),
});
const waivedControls = s.withDefault(
  count('failed controls whose failures waivers accept, every one; they count as failed in `counts` and `score`'),
  0,
);
const controlCounts = s.object(eachOf<ControlVerdict>(CONTROL_VERDICTS), 'controls by result');

/** The results of the controls of a benchmark, over the fleet or on one node. */
export const benchmarkResult = s.object({
  benchmark: s.string('id'),
  title: s.string(),
  nodes: count('nodes whose findings count'),
  score,
  counts: controlCounts,
  waived: waivedControls,
  controls: s.list(
    s.object({
      id: s.string(),
      title: s.string(),
      level: s.integer(),
      verdict: s.oneOf(CONTROL_VERDICTS, 'the worst of its findings'),
      checks: s.list(s.string(), 'all of them must pass', 256),
      missing: s.list(s.string(), 'checks without a finding', 256),
      findings: verdictCounts,
      waived: s.withDefault(count('findings that waivers accept; they are also in `findings`'), 0),
      onlyWaived: s.withDefault(s.boolean('it fails, and waivers accept all of its failures'), false),
      why: s.nullable(s.string(), 'why the control is not mapped to a check'),
    }),
    '',
    10_000,
  ),
});
/** See {@link benchmarkResult}. */
export type BenchmarkResultAnswer = s.Infer<typeof benchmarkResult>;

/** The score of a benchmark on each node. */
export const benchmarkNodes = s.object({
  nodes: s.list(
    s.object({ id: s.string(), name: s.string(), score, counts: controlCounts, waived: waivedControls }),
    '',
    1000,
  ),
  cursor: s.nullable(s.string('of the next page')),
});
/** See {@link benchmarkNodes}. */
export type BenchmarkNodes = s.Infer<typeof benchmarkNodes>;

/** The score of a benchmark over the fleet, day by day. */
export const benchmarkTrend = s.object({
  days: s.list(
    s.object({ atMs: time('when it was computed last on that day'), nodes: count(), score, waived: waivedControls }),
    '',
    1000,
  ),
});
