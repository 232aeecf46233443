import type { Finding } from '../../posture/finding.ts';
import { VERDICT_LABELS } from '../../api/labels.ts';
import { SEVERITIES } from '../../posture/verdict.ts';
import type { Severity, Verdict } from '../../posture/verdict.ts';
import type { FleetFinding } from '../../api/finding.ts';
import { safe } from '../../api/safe.ts';
import { waiverText } from '../../policy/waiver.ts';
import { nodeLabel } from './node-label.ts';
import { displayWidth, fit, wrapHard } from './width.ts';
import type { Painted } from './lines.ts';
import type { Paint } from './paint.ts';
import type { Cell } from './table.ts';

/** What a line about a finding is made of: one of this node, or one of the fleet. */
export type ShownFinding = Pick<Finding, 'check' | 'verdict' | 'severity' | 'subject' | 'evidence'> & {
  readonly reason?: string | null;
};

/** The longest label of a failure is CRITICAL: lists whose labels are all shorter look the same. */
const LABEL_WIDTH = 8;

/** The label of a finding: its severity where it fails, otherwise its verdict; at least {@link LABEL_WIDTH} cells. */
export function findingLabel({ verdict, severity }: Pick<ShownFinding, 'verdict' | 'severity'>, paint: Paint): Cell {
  const text = (verdict === 'fail' ? severity : VERDICT_LABELS[verdict]).toUpperCase().padEnd(LABEL_WIDTH);
  return {
    text,
    paint: (shown) => (verdict === 'fail' ? paint.severity(severity, shown) : paint.verdict(verdict, shown)),
  };
}

/** The meaning of a finding in one line; of a failure the proof follows, of a pass the proof is all. */
export function evidenceLine({ verdict, evidence, reason }: ShownFinding): string {
  const meaning = reason ?? '';
  const proof = proofOf(evidence);
  if (meaning === '') return proof;
  return verdict === 'fail' && proof !== '' ? `${meaning}: ${proof}` : meaning;
}

/** The decisive reading and its source, then further readings. */
function proofOf([first, ...others]: ShownFinding['evidence']): string {
  if (first === undefined) return '';
  const beside = others.slice(0, 2).map(({ source, seen }) => (source === first.source ? seen : `${source}: ${seen}`));
  const place = first.source === 'default' ? 'by default' : `in ${first.source}`;
  return [`${first.seen} ${place}`, ...beside].join(', ');
}

/** How many findings there are by verdict, and failures by severity. */
export interface FindingCounts {
  readonly verdicts: Readonly<Record<Verdict, number>>;
  readonly failures: Readonly<Record<Severity, number>>;
}

/** Counts findings. */
export function countFindings(findings: Iterable<ShownFinding>): FindingCounts {
  const verdicts = { pass: 0, fail: 0, notApplicable: 0, unknown: 0, manual: 0 };
  const failures = { critical: 0, high: 0, medium: 0, low: 0, info: 0 };
  for (const { verdict, severity } of findings) {
    verdicts[verdict] += 1;
    if (verdict === 'fail') failures[severity] += 1;
  }
  return { verdicts, failures };
}

/** `critical 1   high 4 …   passed 61   not applicable 22`, as items that a line can be broken between. */
export function countItems({ verdicts, failures }: FindingCounts, paint: Paint): readonly Painted[] {
  const severities = SEVERITIES.filter((severity) => severity !== 'info' || failures.info > 0).map((severity) =>
    item(severity, failures[severity], (text) => paint.severity(severity, text)),
  );
  const rest = (['pass', 'notApplicable', 'unknown', 'manual'] as const)
    .filter((verdict) => verdict !== 'manual' || verdicts.manual > 0)
    .map((verdict) => item(VERDICT_LABELS[verdict], verdicts[verdict], (text) => paint.verdict(verdict, text)));
  return [...severities, ...rest];
}

function item(word: string, count: number, paint: (text: string) => string): Painted {
  const plain = `${word} ${String(count)}`;
  return { plain, painted: count === 0 ? plain : paint(plain) };
}

/** A finding with all its evidence, as lines. */
export function findingBlock(
  finding: FleetFinding,
  { paint, width }: { readonly paint: Paint; readonly width: number },
): readonly string[] {
  const { text, paint: colour } = findingLabel(finding, paint);
  const word = text.trimEnd();
  const node = nodeLabel(finding.nodeName, finding.nodeId);
  // Both names must be visible, however long the first is.
  const room = width - word.length - ' on '.length - 2;
  const shownNode = fit(safe(node), Math.max(16, room - displayWidth(safe(finding.subject.name))));
  const shownSubject = fit(safe(finding.subject.name), room - displayWidth(shownNode));
  const head = `${colour?.(word) ?? word}  ${paint.bold(shownSubject)} on ${shownNode}`;
  const reason = finding.reason ?? '';
  return [
    '',
    head,
    ...(reason === '' ? [] : wrapHard(safe(reason), width - 2).map((line) => `  ${line}`)),
    ...waiverLines(finding, width),
    ...finding.evidence.flatMap(({ source, seen, expected }) => [
      ...wrapHard(`${safe(source)}: ${safe(seen)}`, width - 2).map((line) => `  ${line}`),
      ...(expected === '' ? [] : wrapHard(`expected: ${safe(expected)}`, width - 4).map((line) => `    ${line}`)),
    ]),
  ];
}

function waiverLines({ waiver }: FleetFinding, width: number): readonly string[] {
  if (waiver === null) return [];
  return wrapHard(safe(waiverText(waiver)), width - 2).map((line) => `  ${line}`);
}
