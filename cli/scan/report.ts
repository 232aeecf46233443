import { safe } from '../../api/safe.ts';
import { countFindings, countItems } from '../render/finding.ts';
import type { FindingCounts, ShownFinding } from '../render/finding.ts';
import { joinItems, unpainted } from '../render/lines.ts';
import type { Painted } from '../render/lines.ts';
import type { Paint } from '../render/paint.ts';
import { seconds } from '../../api/format.ts';
import { displayWidth, wrap } from '../render/width.ts';
import type { ScannedNode } from './node.ts';

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

/** The node and its kernel. A duration is shown at the right edge. */
export function nodeLines(
  node: ScannedNode,
  durationMs: number | undefined,
  { width, paint }: ReportStyle,
): readonly string[] {
  const [name = unpainted(''), ...others] = [
    node.name,
    // The long names are in the JSON document: `Debian GNU/Linux 13`, `26.1.5+dfsg1`.
    node.operatingSystem.replace('GNU/Linux ', ''),
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

/** Lines of a hint, wrapped. */
export function hintLines(text: string, { width, paint }: ReportStyle): readonly string[] {
  return wrap(safe(text), width).map(paint.dim);
}

function runtimeItems({ runtime, containers }: ScannedNode): readonly string[] {
  if (runtime === '') return ['no container engine'];
  const counted =
    containers === null ? 'containers unknown' : `${String(containers)} container${containers === 1 ? '' : 's'}`;
  return [runtime?.replace(/\+.*/, '') ?? 'container engine unknown', counted];
}

function kernelItems({ securityModules, selinux, apparmor, lockdown }: ScannedNode): readonly string[] {
  return [
    `LSM ${securityModules === null ? 'unknown' : securityModules.join(',') || 'none'}`,
    `SELinux ${selinux === null ? 'unknown' : selinux === 'disabled' ? 'off' : selinux}`,
    `AppArmor ${apparmor === null ? 'unknown' : apparmor ? 'on' : 'off'}`,
    `lockdown ${lockdown ?? 'unknown'}`,
  ];
}
