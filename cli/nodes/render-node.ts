import { ago, count, counted, dateTime, span } from '../../api/format.ts';
import type { NodeDetail } from '../../api/node.ts';
import { containerCountRows, nodeStatusRows } from '../../api/node-status-rows.ts';
import type { StatusRow } from '../../api/node-status-rows.ts';
import type { NodeStatusAnswer } from '../../api/node-status.ts';
import { safe } from '../../api/safe.ts';
import { SEVERITIES } from '../../posture/verdict.ts';
import { asTyped } from '../invocation.ts';
import { nodeLabel } from '../render/node-label.ts';
import type { Paint } from '../render/paint.ts';
import { wrapHard } from '../render/width.ts';

/** How a node is drawn. */
export interface NodeStyle {
  readonly width: number;
  readonly paint: Paint;
  readonly nowMs: number;
  /** See {@link asTyped}. */
  readonly invocation: string;
}

interface Row extends StatusRow {
  readonly paint?: (text: string) => string;
}

/** Cells of the names of rows. */
const LEAD = 14;
/** Containers that are named. */
const SHOWN_CONTAINERS = 20;

/** A node as lines in four sections: identity, status, containers, findings. */
export function renderNode(node: NodeDetail, answer: NodeStatusAnswer, style: NodeStyle): readonly string[] {
  const sections: readonly (readonly [title: string, rows: readonly Row[]])[] = [
    [nodeLabel(node.name, node.id), identityRows(node)],
    ['Status', answerRows(node, answer, style)],
    ['Containers', containerRows(node, answer)],
    ['Findings', findingRows(node, style)],
  ];
  return sections
    .flatMap(([title, rows]) => ['', style.paint.bold(safe(title))].concat(rows.flatMap((row) => rowLines(row, style))))
    .slice(1);
}

function identityRows(node: NodeDetail): readonly Row[] {
  const hardware = [node.architecture, counted(node.cpus, 'CPU')].filter((text) => text !== '');
  return [
    { name: 'id', value: node.id },
    { name: 'system', value: node.operatingSystem },
    { name: 'kernel', value: `${node.kernelRelease} (${hardware.join(', ')})` },
    { name: 'engine', value: node.runtime === '' ? 'none' : node.runtime },
    { name: 'agent version', value: node.agentVersion },
    { name: 'first seen', value: dateTime(node.firstSeenMs) },
  ];
}

function answerRows(node: NodeDetail, answer: NodeStatusAnswer, { paint, nowMs }: NodeStyle): readonly Row[] {
  const problem = (value: string): readonly Row[] => [
    { name: 'state', value, paint: paint.bad },
    {
      name: 'last seen',
      value: `${dateTime(node.lastSeenMs)}, ${ago(node.lastSeenMs, nowMs)}; everything below is from then`,
    },
  ];
  switch (answer.outcome) {
    case 'ok':
      return [{ name: 'state', value: node.presence, paint: paint.good }, ...nodeStatusRows(answer)];
    case 'error':
      return problem(`connected, but its agent did not answer: ${answer.error}`);
    case 'timeout':
      return problem(`connected, but its agent did not answer within ${span(answer.deadlineMs)}`);
    case 'offline':
      if (node.presence === 'neverEnrolled')
        return [{ name: 'state', value: 'never enrolled: no agent has connected from this node', paint: paint.bad }];
      return problem(answer.sinceMs === 0 ? 'offline' : `offline for ${span(nowMs - answer.sinceMs)}`);
  }
}

function containerRows(node: NodeDetail, answer: NodeStatusAnswer): readonly Row[] {
  const shown = node.containers.slice(0, SHOWN_CONTAINERS);
  const more = node.containers.length - shown.length;
  return [
    ...(answer.outcome === 'ok' ? containerCountRows(answer) : []),
    { name: 'running', value: count(node.containerCount) },
    ...shown.map(({ name, image }) => ({ name: '', value: `${name} (${image})` })),
    ...(more > 0 ? [{ name: '', value: `${count(more)} more` }] : []),
  ];
}

function findingRows(
  { id, name, counts: { failures, verdicts } }: NodeDetail,
  { paint, invocation }: NodeStyle,
): readonly Row[] {
  return [
    ...SEVERITIES.map((severity) => ({
      name: severity,
      value: count(failures[severity]),
      paint: (text: string) => (failures[severity] === 0 ? paint.dim(text) : paint.severity(severity, text)),
    })),
    { name: 'unknown', value: count(verdicts.unknown) },
    { name: 'needs review', value: count(verdicts.manual) },
    { name: 'passed', value: count(verdicts.pass) },
    { name: 'list', value: asTyped(`plimsoll findings --node ${nodeLabel(name, id)}`, invocation) },
  ];
}

function rowLines({ name, value, paint = (text) => text }: Row, style: NodeStyle): readonly string[] {
  return wrapHard(safe(value), style.width - LEAD - 2).map(
    (line, index) => `  ${style.paint.dim((index === 0 ? name : '').padEnd(LEAD))}${paint(line)}`,
  );
}
