import type { BenchmarkResult, ControlResult, ControlVerdict } from '../../posture/benchmark/compliance.ts';
import type { Finding } from '../../posture/finding.ts';
import type { Context } from '../context.ts';
import { isTable, printListing } from '../output/listing.ts';
import { CONTROL_LABELS } from './control-listing.ts';
import type { PeerReport, PeerResult } from './peer-report.ts';

/** How two answers about a control compare. `open`: one tool gives no verdict. */
export const AGREEMENTS = ['differs', 'onlyTheirs', 'onlyOurs', 'neither', 'same'] as const;
type Agreement = (typeof AGREEMENTS)[number];

const LABELS: Readonly<Record<Agreement, string>> = Object.freeze({
  differs: 'differs',
  onlyTheirs: 'only theirs',
  onlyOurs: 'only ours',
  neither: 'neither',
  same: 'same',
});

/** One control, as two tools answer it. */
interface ComparedControl {
  readonly control: string;
  readonly title: string;
  /** The verdict of the other tool; empty where it does not name the control. */
  readonly theirs: string;
  readonly ours: ControlVerdict;
  readonly agreement: Agreement;
  /** What decides our answer. */
  readonly evidence: string;
}

/** Two reports side by side. */
export interface Comparison {
  readonly tool: string;
  readonly benchmark: string;
  readonly counts: Readonly<Record<Agreement, number>>;
  readonly controls: readonly ComparedControl[];
  /** Controls that the other tool names and the benchmark does not have. */
  readonly notInBenchmark: readonly string[];
}

/** Compares the results of a benchmark with those of another tool for the same node. */
export function compareWithPeer({ benchmark, controls }: BenchmarkResult, peer: PeerReport): Comparison {
  const theirs = new Map<string, PeerResult>();
  // Of several answers about one control a failure counts.
  for (const result of peer.results)
    if (theirs.get(result.control)?.verdict !== 'fail') theirs.set(result.control, result);
  const compared = controls.map((result): ComparedControl => {
    const other = theirs.get(result.control.id);
    return {
      control: result.control.id,
      title: result.control.title,
      theirs: other?.word ?? '',
      ours: result.verdict,
      agreement: agreementOf(result.verdict, other?.verdict ?? 'open'),
      evidence: evidenceOf(result),
    };
  });
  const counts = Object.fromEntries(AGREEMENTS.map((name) => [name, 0])) as Record<Agreement, number>;
  for (const { agreement } of compared) counts[agreement] += 1;
  const known = new Set(controls.map(({ control }) => control.id));
  const notInBenchmark = [...theirs.keys()].filter((id) => !known.has(id));
  return { tool: peer.tool, benchmark: benchmark.id, counts, controls: compared, notInBenchmark };
}

function agreementOf(ours: ControlVerdict, theirs: PeerResult['verdict']): Agreement {
  const isOurs = ours === 'pass' || ours === 'fail';
  if (theirs === 'open') return isOurs ? 'onlyOurs' : 'neither';
  if (!isOurs) return 'onlyTheirs';
  return ours === theirs ? 'same' : 'differs';
}

/** The first finding that decides the result: where, what was seen and what was expected, or why there is no verdict. */
function evidenceOf({ control, verdict, findings, missing }: ControlResult): string {
  const decisive = findings.find((finding) => finding.verdict === verdict);
  if (decisive === undefined)
    return missing.length > 0 ? `no finding of ${missing.join(', ')}` : (control.why ?? 'nothing to judge');
  const count = findings.filter((finding) => finding.verdict === verdict).length;
  const others = count > 1 ? `, and ${String(count - 1)} more` : '';
  const { name, id } = decisive.subject;
  return `${name === '' ? id : name}${others}: ${textOf(decisive)}`;
}

/** The title says what holds where there is neither a reason nor a reading. */
function textOf({ reason, evidence, title }: Finding): string {
  const [first] = evidence;
  const wanted = first === undefined || first.expected === '' ? '' : ` (expected ${first.expected})`;
  const seen = first === undefined ? undefined : `${first.source}: ${first.seen}${wanted}`;
  const parts = [reason, seen].filter((part) => part !== undefined);
  return parts.length === 0 ? title : parts.join('; ');
}

/** Prints the controls whose answers are not the same, and how many are; other formats than a table have all controls. */
export async function printComparison(context: Context, comparison: Comparison): Promise<void> {
  const { counts, controls, tool, benchmark, notInBenchmark } = comparison;
  const shown = isTable(context)
    ? controls.filter(({ agreement }) => agreement !== 'same' && agreement !== 'neither')
    : controls;
  const sorted = shown.toSorted(
    (one, other) => AGREEMENTS.indexOf(one.agreement) - AGREEMENTS.indexOf(other.agreement),
  );
  if (isTable(context)) {
    const parts = AGREEMENTS.filter((name) => counts[name] > 0).map(
      (name) => `${String(counts[name])} ${LABELS[name]}`,
    );
    const rest =
      notInBenchmark.length === 0 ? '' : `; ${String(notInBenchmark.length)} controls are not in the benchmark`;
    await context.stdout.write(`${tool} and Plimsoll by ${benchmark}: ${parts.join(', ')}${rest}\n\n`);
  }
  await printListing(context, {
    document: comparison,
    items: controls,
    names: controls.map(({ control }) => control),
    columns: [
      { title: 'CONTROL' },
      { title: 'THEIRS' },
      { title: 'OURS' },
      { title: 'ANSWERS' },
      { title: 'EVIDENCE', min: 30 },
      { title: 'WHAT IT ASKS FOR', wide: true },
    ],
    rows: sorted.map(({ control, theirs, ours, agreement, evidence, title }) => [
      { text: control },
      { text: theirs === '' ? 'not named' : theirs },
      {
        text: CONTROL_LABELS[ours],
        paint: (text) => (ours === 'notJudged' ? context.paint.dim(text) : context.paint.verdict(ours, text)),
      },
      { text: LABELS[agreement] },
      { text: evidence },
      { text: title },
    ]),
    empty: 'No difference.',
  });
}
