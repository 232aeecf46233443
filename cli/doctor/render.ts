import { asTyped } from '../invocation.ts';
import { safe } from '../../api/safe.ts';
import type { Outcome, DiagnosticReport } from '../../service/diagnostic.ts';
import type { Paint } from '../render/paint.ts';
import { wrapHard } from '../render/width.ts';

/** How to format a report. */
export interface DoctorStyle {
  readonly width: number;
  readonly paint: Paint;
  /** See {@link asTyped}. */
  readonly invocation: string;
}

/** Worst first. */
export const OUTCOMES = Object.freeze(['problem', 'warning', 'unknown', 'ok'] as const satisfies readonly Outcome[]);

const LABEL_WIDTH = 9;
const TITLE_WIDTH = 22;
const LEAD = LABEL_WIDTH + TITLE_WIDTH;

/** The report as lines: one entry a diagnostic, then the number of each outcome. */
export function renderReport(reported: readonly DiagnosticReport[], style: DoctorStyle): readonly string[] {
  return [...reported.flatMap((one) => entryLines(one, style)), '', summaryLine(reported, style)];
}

/** The number of reports of each outcome. */
export function countOutcomes(reported: readonly DiagnosticReport[]): Readonly<Record<Outcome, number>> {
  const counts = { problem: 0, warning: 0, unknown: 0, ok: 0 };
  for (const { outcome } of reported) counts[outcome] += 1;
  return counts;
}

function entryLines(
  { outcome, title, observed, advice }: DiagnosticReport,
  { width, paint, invocation }: DoctorStyle,
): readonly string[] {
  const room = Math.max(20, width - LEAD);
  const [first = '', ...more] = wrapHard(safe(observed), room);
  const label = painted(outcome, paint)(outcome.padEnd(LABEL_WIDTH));
  return [
    `${label}${title.padEnd(TITLE_WIDTH)}${first}`.trimEnd(),
    ...more.map((line) => ' '.repeat(LEAD) + line),
    ...wrapHard(asTyped(safe(advice), invocation), room - 2).map(
      (line, index) => `${' '.repeat(LEAD)}${index === 0 ? '→ ' : '  '}${line}`,
    ),
  ];
}

function summaryLine(reported: readonly DiagnosticReport[], { paint }: DoctorStyle): string {
  const counts = countOutcomes(reported);
  const words = OUTCOMES.filter((outcome) => counts[outcome] > 0).map((outcome) =>
    painted(outcome, paint)(`${String(counts[outcome])} ${plural(outcome, counts[outcome])}`),
  );
  return words.join(', ');
}

function plural(outcome: Outcome, count: number): string {
  return (outcome === 'problem' || outcome === 'warning') && count !== 1 ? `${outcome}s` : outcome;
}

function painted(outcome: Outcome, paint: Paint): (text: string) => string {
  switch (outcome) {
    case 'ok':
      return paint.good;
    case 'warning':
      return (text) => paint.severity('medium', text);
    case 'problem':
      return paint.bad;
    case 'unknown':
      return (text) => paint.verdict('unknown', text);
  }
}
