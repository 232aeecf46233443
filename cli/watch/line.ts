import type { FindingEvent } from '../../api/finding.ts';
import { evidenceLine, findingLabel } from '../render/finding.ts';
import { nodeLabel } from '../render/node-label.ts';
import type { Paint } from '../render/paint.ts';
import { renderTable } from '../render/table.ts';
import { changeLabel } from '../../api/labels.ts';
import { clockTime } from '../../api/format.ts';

/**
 * One change as one line: `14:03:09  opened    CRITICAL  container.privileged  shop-worker  CapEff 1ff…`. With
 * `withNode` the node comes before the check.
 */
export function changeLine(event: FindingEvent, withNode: boolean, width: number, paint: Paint): string {
  const { finding, action, atMs } = event;
  const node = withNode ? [{ text: nodeLabel(finding.nodeName, finding.nodeId), paint: paint.dim }] : [];
  // What is resolved was a failure: its severity says more than the verdict that it has now. One that still reads as a
  // failure went with its subject, and what was seen of it then says nothing now.
  const shown =
    action === 'resolved' && event.previousVerdict === 'fail' ? { ...finding, verdict: 'fail' as const } : finding;
  const [line = ''] = renderTable(
    [
      { min: 8 },
      { min: 8 },
      { min: 8 },
      ...(withNode ? [{ max: 16 }] : []),
      { min: 30 },
      { min: 10, max: 24 },
      { min: 8 },
    ],
    [
      [
        { text: clockTime(atMs), paint: paint.dim },
        {
          text: changeLabel({ action, waiver: finding.waiver }).padEnd(8),
          paint: action === 'resolved' ? paint.good : action === 'opened' ? paint.bad : paint.bold,
        },
        findingLabel(shown, paint),
        ...node,
        { text: finding.check },
        { text: finding.subject.name, paint: paint.bold },
        { text: outcomeOf(event) },
      ],
    ],
    width,
  );
  return line;
}

function outcomeOf({ action, cause, finding }: FindingEvent): string {
  if (cause === 'nodeRemoved') return 'node removed';
  if (cause === 'checkRemoved') return 'check removed';
  const { waiver } = finding;
  if (waiver !== null && action !== 'resolved') return `waived by ${waiver.name}: ${waiver.reason}`;
  return action === 'resolved' && finding.verdict === 'fail' ? 'gone' : evidenceLine(finding);
}
