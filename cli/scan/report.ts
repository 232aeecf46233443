import type { SubjectKind } from '../../posture/finding.ts';
import { countFindings, countItems, FINDING_COLUMNS, findingLabel, findingRow } from '../render/finding.ts';
import type { FindingCounts, ShownFinding } from '../render/finding.ts';
import { joinItems, unpainted } from '../render/lines.ts';
import type { Painted } from '../render/lines.ts';
import type { Paint } from '../render/paint.ts';
import { safe } from '../render/safe.ts';
import { renderTable } from '../render/table.ts';
import type { Cell } from '../render/table.ts';
import { seconds } from '../render/time.ts';
import { displayWidth, wrap } from '../render/width.ts';
import type { ScannedNode } from './node.ts';

/** Subjects of one check that are listed one by one; more are joined in a line, unless they are bad. */
const LISTED_SUBJECTS = 4;

/** How a report is drawn. */
export interface ReportStyle {
  readonly width: number;
  readonly paint: Paint;
}

/** The head of a report: the node, its kernel, the counts. */
export function reportHead(
  node: ScannedNode,
  judged: readonly ShownFinding[],
  durationMs: number,
  style: ReportStyle,
): readonly string[] {
  return [...nodeLines(node, durationMs, style), ...countLines(countFindings(judged), style)];
}

/** The node and its kernel. With a duration, that stands at the right edge. */
export function nodeLines(
  node: ScannedNode,
  durationMs: number | undefined,
  { width, paint }: ReportStyle,
): readonly string[] {
  const [name = unpainted(''), ...others] = [
    node.name,
    node.operatingSystem,
    `kernel ${node.kernelRelease}`,
    ...runtimeItems(node),
  ]
    .map(safe)
    .map(unpainted);
  const time = durationMs === undefined ? '' : seconds(durationMs);
  const items = [{ plain: name.plain, painted: paint.bold(name.plain) }, ...others];
  const top = joinItems(items, { width: width - time.length - 2, separator: ' · ', lead: '' });
  return [
    ...top.map((line, index) =>
      index === 0 && time !== '' ? atRightEdge(line, paint.dim(time), width - time.length) : line.painted,
    ),
    ...joinItems(kernelItems(node).map(safe).map(unpainted), { width, separator: ' · ', lead: 'kernel  ' }).map(
      printed,
    ),
  ];
}

/** Counts of findings: failures by severity, then the other verdicts. */
export function countLines(counts: FindingCounts, { width, paint }: ReportStyle): readonly string[] {
  return joinItems(countItems(counts, paint), { width, separator: '   ', lead: '' }).map(printed);
}

function printed({ painted }: Painted): string {
  return painted;
}

function atRightEdge({ plain, painted }: Painted, text: string, column: number): string {
  return painted + ' '.repeat(Math.max(2, column - displayWidth(plain))) + text;
}

/** The findings as lines, in the given order. With `joined`, many subjects of one mild check stand in one line. */
export function reportFindings(
  findings: readonly ShownFinding[],
  { width, paint }: ReportStyle,
  joined: boolean,
): readonly string[] {
  const rows = groups(findings).flatMap((group) =>
    joined && isJoined(group) ? [joinedRow(group, paint)] : group.map((finding) => findingRow(finding, paint)),
  );
  return renderTable(FINDING_COLUMNS, rows, width);
}

/** Are there subjects that {@link reportFindings} would join? */
export function hasJoined(findings: readonly ShownFinding[]): boolean {
  return groups(findings).some(isJoined);
}

/** Lines of a hint, wrapped. */
export function hintLines(text: string, { width, paint }: ReportStyle): readonly string[] {
  return wrap(safe(text), width).map(paint.dim);
}

/** Findings that stand beside each other and differ in their subject only. */
function groups(findings: readonly ShownFinding[]): readonly (readonly ShownFinding[])[] {
  const all: ShownFinding[][] = [];
  for (const finding of findings) {
    const last = all.at(-1);
    const [first] = last ?? [];
    const same =
      first?.check === finding.check && first.verdict === finding.verdict && first.severity === finding.severity;
    if (last !== undefined && same) last.push(finding);
    else all.push([finding]);
  }
  return all;
}

function isJoined(group: readonly ShownFinding[]): boolean {
  const [first] = group;
  const isBad = first?.verdict === 'fail' && (first.severity === 'critical' || first.severity === 'high');
  return group.length > LISTED_SUBJECTS && !isBad;
}

function joinedRow(group: readonly ShownFinding[], paint: Paint): readonly Cell[] {
  const [first] = group;
  if (first === undefined) return [];
  const kinds = new Set(group.map(({ subject }) => subject.kind));
  const word = kinds.size === 1 ? SUBJECT_WORDS[first.subject.kind] : 'subjects';
  return [
    findingLabel(first, paint),
    { text: first.check },
    { text: `${String(group.length)} ${word}`, paint: paint.bold },
    { text: group.map(({ subject }) => subject.name).join(', ') },
  ];
}

const SUBJECT_WORDS = Object.freeze({
  node: 'nodes',
  daemon: 'daemons',
  container: 'containers',
  image: 'images',
  file: 'files',
  listener: 'ports',
} satisfies Record<SubjectKind, string>);

function runtimeItems({ runtime, containers }: ScannedNode): readonly string[] {
  if (runtime === '') return ['no docker'];
  const counted =
    containers === null ? 'containers unknown' : `${String(containers)} container${containers === 1 ? '' : 's'}`;
  return [runtime ?? 'docker could not be asked', counted];
}

function kernelItems({ securityModules, selinux, apparmor, lockdown }: ScannedNode): readonly string[] {
  return [
    `LSM ${securityModules === null ? 'unknown' : securityModules.join(',') || 'none'}`,
    `SELinux ${selinux === null ? 'unknown' : selinux === 'disabled' ? 'off' : selinux}`,
    `AppArmor ${apparmor === null ? 'unknown' : apparmor ? 'on' : 'off'}`,
    `lockdown ${lockdown ?? 'unknown'}`,
  ];
}
