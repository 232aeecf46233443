import { safe } from '../../api/safe.ts';
import { asTyped } from '../invocation.ts';
import type { FleetStatus } from '../../api/status.ts';
import { formatBytes } from '../../service/bytes.ts';
import { joinItems, unpainted } from '../render/lines.ts';
import type { Painted } from '../render/lines.ts';
import { nodeLabel } from '../render/node-label.ts';
import type { Paint } from '../render/paint.ts';
import { renderTable } from '../render/table.ts';
import type { Cell } from '../render/table.ts';
import { dateTime, span } from '../../api/format.ts';
import { presenceLabel } from '../../api/labels.ts';
import { fit, wrapHard } from '../render/width.ts';

/** How a status is drawn. */
export interface StatusStyle {
  readonly width: number;
  readonly paint: Paint;
  /** See {@link asTyped}. */
  readonly invocation: string;
}

type Health = FleetStatus['nodes']['listed'][number];

/** Nodes that are shown where nothing is wrong with more of them: a table of thousands is no overview. */
const SHOWN_NODES = 20;
/** Cells of a name in a line of prose, and names in it. */
const NAME_WIDTH = 40;
const NAMED_SUBJECTS = 5;

/** The status as lines: the collector, its store and sinks, the nodes, and what does not work. */
export function renderStatus(status: FleetStatus, style: StatusStyle): readonly string[] {
  return [...headLines(status, style), ...nodeLines(status, style), '', ...issueLines(status.issues, style)];
}

function headLines(status: FleetStatus, style: StatusStyle): readonly string[] {
  const { version, startedMs, nowMs, addresses, process, nodes } = status;
  const console = addresses.console === null ? [] : row('console', [addresses.console], style);
  const byPresence = (['connected', 'stale', 'offline', 'neverEnrolled'] as const)
    .filter((presence) => presence === 'connected' || nodes[presence] > 0)
    .map((presence) => `${String(nodes[presence])} ${presenceLabel(presence)}`);
  return [
    ...row(
      'collector',
      [version, `since ${dateTime(startedMs)} (${span(nowMs - startedMs)})`, `process ${String(process.pid)}`],
      style,
    ),
    ...row(
      '',
      [
        `${formatBytes(process.rssBytes)} of memory`,
        `${cpuShare(process.cpuMs, nowMs - startedMs)} of a core since its start`,
      ],
      style,
    ),
    ...row('listens', [`${addresses.nodes} for nodes`, `${addresses.api} for operators`], style),
    ...console,
    ...storeLines(status.store, style),
    ...status.sinks.flatMap((sink) => sinkLines(sink, style)),
    ...row('nodes', byPresence, style),
  ];
}

function storeLines(store: FleetStatus['store'], style: StatusStyle): readonly string[] {
  const { path, bytes, freeBytes, findings, historyFromMs, historyToMs, quarantined } = store;
  const free = freeBytes === null ? [] : [`${formatBytes(freeBytes)} free`];
  const history =
    historyFromMs === null || historyToMs === null
      ? 'no history yet'
      : `history from ${dateTime(historyFromMs)} to ${dateTime(historyToMs)}`;
  return [
    ...row('store', [path, formatBytes(bytes), ...free], style),
    ...row('', [`${String(findings)} finding${findings === 1 ? '' : 's'}`, history], style),
    ...(quarantined === null
      ? []
      : row('', [`damaged file quarantined ${dateTime(quarantined.atMs)}: ${quarantined.path}`], style)),
  ];
}

function sinkLines(sink: FleetStatus['sinks'][number], { width, paint }: StatusStyle): readonly string[] {
  const { name, state, behind, delivered, lastError } = sink;
  const items = [
    unpainted(safe(name)),
    { plain: state, painted: state === 'ok' ? paint.good(state) : paint.bad(state) },
    unpainted(behind === 0 ? 'nothing waits' : `${String(behind)} ${behind === 1 ? 'waits' : 'wait'}`),
    unpainted(`${String(delivered)} delivered`),
  ];
  const error = lastError === '' ? [] : wrapHard(safe(lastError), width - LEAD).map((line) => ' '.repeat(LEAD) + line);
  return [...joined('sink', items, width, paint), ...error];
}

function nodeLines({ nodes, nowMs }: FleetStatus, { width, paint, invocation }: StatusStyle): readonly string[] {
  const bad = nodes.listed.filter(hasIssue);
  const shown = nodes.listed.slice(0, Math.max(SHOWN_NODES, bad.length));
  if (shown.length === 0) return [];
  const rows = shown.map((node): readonly Cell[] => [
    { text: nodeLabel(node.name, node.id), paint: paint.bold },
    { text: presenceLabel(node.presence), paint: node.presence === 'connected' ? paint.good : paint.bad },
    { text: node.presence === 'neverEnrolled' ? 'never' : `${span(nowMs - node.lastSeenMs)} ago` },
    { text: node.agentVersion },
    { text: formatBytes(node.agentRssBytes), ...(node.overBudget ? { paint: paint.bad } : {}) },
    { text: `${(node.agentCpuMs / 1000).toFixed(1)} s` },
    { text: String(node.dropped), paint: node.dropped === 0 ? paint.dim : paint.bad },
  ]);
  const columns = [
    { title: 'NODE' },
    { title: 'STATE' },
    { title: 'SEEN', min: 10 },
    { title: 'AGENT' },
    { title: 'MEMORY', align: 'right' },
    { title: 'CPU', align: 'right' },
    { title: 'DROPPED', align: 'right' },
  ] as const;
  const more = nodes.total - shown.length;
  return [
    '',
    ...renderTable(columns, rows, width),
    ...(more > 0 ? [paint.dim(`${String(more)} more: ${invocation} nodes`)] : []),
  ];
}

function issueLines(issues: FleetStatus['issues'], style: StatusStyle): readonly string[] {
  const { paint } = style;
  if (issues.length === 0) return [paint.good('No issues.')];
  const groups = [...Map.groupBy(issues, ({ text, advice }) => `${text}\n${advice}`).values()];
  const head = issues.length === 1 ? '1 issue:' : `${String(issues.length)} issues:`;
  return [paint.bad(head), ...groups.flatMap((group) => groupLines(group, style))];
}

/** The same issue of several nodes is shown once. */
function groupLines(group: FleetStatus['issues'], { width, paint, invocation }: StatusStyle): readonly string[] {
  const [{ text, advice } = { text: '', advice: '' }] = group;
  const names = group.slice(0, NAMED_SUBJECTS).map(({ subject }) => fit(safe(subject), NAME_WIDTH));
  const more = group.length > names.length ? ` and ${String(group.length - names.length)} more` : '';
  return [
    ...wrapHard(`${names.join(', ')}${more}: ${safe(text)}`, width - 2).map((line) => `  ${line}`),
    ...wrapHard(asTyped(safe(advice), invocation), width - 4).map((line) => `    ${paint.dim(line)}`),
  ];
}

/** Where the second column of the head begins. */
const LEAD = 11;

function row(label: string, items: readonly string[], { width, paint }: StatusStyle): readonly string[] {
  return joined(label, items.map(safe).map(unpainted), width, paint);
}

function joined(label: string, items: readonly Painted[], width: number, paint: Paint): readonly string[] {
  const lines = joinItems(items, { width: width - LEAD, separator: ', ', lead: '' });
  return lines.map(({ painted }, index) => paint.dim((index === 0 ? label : '').padEnd(LEAD)) + painted);
}

function hasIssue({ presence, dropped, overBudget }: Health): boolean {
  return presence !== 'connected' || dropped > 0 || overBudget;
}

/** `0.3 %`; over a time that is no time, nothing can be said. */
function cpuShare(cpuMs: number, elapsedMs: number): string {
  return elapsedMs <= 0 ? '?' : `${((cpuMs / elapsedMs) * 100).toFixed(1)} %`;
}
