import { counted } from '../../api/format.ts';
import { SUBJECT_LABELS } from '../../api/labels.ts';
import { safe } from '../../api/safe.ts';
import { evidenceLine, findingLabel } from './finding.ts';
import type { ShownFinding } from './finding.ts';
import type { Paint } from './paint.ts';
import { renderTable } from './table.ts';
import type { Cell, Column } from './table.ts';
import { fit } from './width.ts';

/** Below this width the evidence has a line of its own: beside the check and the subject nothing would be left of it. */
const ONE_LINE_WIDTH = 100;
/** Subjects of one check that are listed one by one; more are joined, unless they are bad. */
const LISTED_SUBJECTS = 4;
/** Where the line of evidence begins: below the check. */
const EVIDENCE_INDENT = 10;

/** How a list is drawn. */
export interface ListStyle {
  readonly width: number;
  readonly paint: Paint;
  /** Many subjects of one mild check share one entry. */
  readonly joined: boolean;
  /** The node of a finding, where the list is over several. */
  readonly nodeOf?: (finding: ShownFinding) => string;
}

/** One entry of the list. */
interface Entry {
  readonly cells: readonly Cell[];
  readonly evidence: string;
}

/** The findings as lines below a header, in the given order: label, check, subject, and the decisive evidence. */
export function renderFindings(findings: readonly ShownFinding[], style: ListStyle): readonly string[] {
  const { width, paint, joined } = style;
  if (findings.length === 0) return [];
  const entries = groupsOf(findings).flatMap((group) =>
    joined && isJoined(group) ? [joinedEntry(group, style)] : group.map((finding) => entryOf(finding, style)),
  );
  const columns = [...(style.nodeOf === undefined ? [] : [NODE]), LABEL, CHECK, SUBJECT];
  if (width >= ONE_LINE_WIDTH) {
    const rows = entries.map(({ cells, evidence }) => [...cells, { text: evidence }]);
    return renderTable([...columns, EVIDENCE], rows, width);
  }
  const [header = '', ...heads] = renderTable(
    columns,
    entries.map(({ cells }) => cells),
    width,
  );
  const indent = ' '.repeat(EVIDENCE_INDENT);
  const lines = heads.flatMap((head, index) => {
    const evidence = fit(safe(entries[index]?.evidence ?? ''), width - EVIDENCE_INDENT);
    return evidence === '' ? [head] : [head, indent + paint.dim(evidence)];
  });
  return [header, ...lines];
}

/** Does {@link renderFindings} join subjects among these? */
export function hasJoined(findings: readonly ShownFinding[]): boolean {
  return groupsOf(findings).some(isJoined);
}

const NODE: Column = Object.freeze({ title: 'NODE', min: 8, max: 16 });
const LABEL: Column = Object.freeze({ title: 'RESULT', min: 8 });
const CHECK: Column = Object.freeze({ title: 'CHECK', min: 36 });
const SUBJECT: Column = Object.freeze({ title: 'SUBJECT', min: 8, max: 24 });
const EVIDENCE: Column = Object.freeze({ title: 'EVIDENCE', min: 16 });

function entryOf(finding: ShownFinding, { paint, nodeOf }: ListStyle): Entry {
  return {
    cells: [
      ...(nodeOf === undefined ? [] : [{ text: nodeOf(finding), paint: paint.dim }]),
      findingLabel(finding, paint),
      { text: finding.check },
      { text: finding.subject.name, paint: paint.bold },
    ],
    evidence: evidenceLine(finding),
  };
}

function joinedEntry(group: readonly [ShownFinding, ...ShownFinding[]], style: ListStyle): Entry {
  const [first] = group;
  const { cells } = entryOf(first, style);
  const kinds = new Set(group.map(({ subject }) => subject.kind));
  const word = kinds.size === 1 ? SUBJECT_LABELS[first.subject.kind] : 'subject';
  return {
    cells: [...cells.slice(0, -1), { text: counted(group.length, word), paint: style.paint.bold }],
    evidence: group.map(({ subject }) => subject.name).join(', '),
  };
}

type Group = readonly [ShownFinding, ...ShownFinding[]];

/** Adjacent findings that differ only in their subject. */
function groupsOf(findings: readonly ShownFinding[]): readonly Group[] {
  const groups: [ShownFinding, ...ShownFinding[]][] = [];
  for (const finding of findings) {
    const last = groups.at(-1);
    const isSame =
      last?.[0].check === finding.check && last[0].verdict === finding.verdict && last[0].severity === finding.severity;
    if (isSame) last.push(finding);
    else groups.push([finding]);
  }
  return groups;
}

function isJoined(group: Group): boolean {
  const [{ verdict, severity }] = group;
  const isBad = verdict === 'fail' && (severity === 'critical' || severity === 'high');
  return group.length > LISTED_SUBJECTS && !isBad;
}
