import { checkList } from '../../api/check.ts';
import type { ApiClient, Result } from '../../api/client.ts';
import { counted } from '../../api/format.ts';
import type { FleetFinding } from '../../api/finding.ts';
import { nodeDetail, nodeList } from '../../api/node.ts';
import type { FleetNode, NodeDetail } from '../../api/node.ts';
import type * as s from '../../posture/schema.ts';
import type { Benchmark } from '../../posture/benchmark/benchmark.ts';
import { assessBenchmark } from '../../posture/benchmark/compliance.ts';
import type { Finding } from '../../posture/finding.ts';
import { waiverText } from '../../policy/waiver.ts';
import type { Context } from '../context.ts';
import { printEvents } from '../output/finding-events.ts';
import type { ListedFindings } from '../programs.ts';
import { nodeLabel } from '../render/node-label.ts';
import { timeText } from '../report/finding-report.ts';
import type { FindingReport, ReportedFinding, ReportedNode } from '../report/finding-report.ts';
import { formatReport, isReportFormat } from '../report/print-report.ts';

/** Findings of a collector, and how they were chosen. */
export interface FleetFindings {
  readonly findings: readonly FleetFinding[];
  /** Ids of the nodes that were asked for; empty: all. */
  readonly nodes: readonly string[];
  /** The benchmark whose findings were asked for, where nothing else was left out. */
  readonly benchmark: Benchmark | undefined;
  readonly isComplete: boolean;
}

/** Names of nodes in the description of a report. */
const MAX_NAMED = 50;

/** Prints findings as `-o html`, `sarif`, `junit`, `ocsf` or `asff` asks. */
export async function printFleetReport(
  context: Context,
  client: ApiClient,
  found: FleetFindings,
): Promise<Result<undefined>> {
  const { args, stdout, clock, version } = context;
  const listed = await client.get('/v1/nodes', nodeList);
  if (!listed.ok) return listed;
  const checks = await client.get('/v1/checks', checkList);
  if (!checks.ok) return checks;
  const about = {
    nodes: listed.value.nodes.filter(({ id }) => found.nodes.length === 0 || found.nodes.includes(id)),
    checks: checks.value.checks,
    madeAt: clock.now(),
    version,
  };
  const format = args.value('output') ?? '';
  if (isReportFormat(format)) await stdout.write(await formatReport(fleetReport(found, about), format));
  else await printEvents(context, listedFindings(found, about, await readContainers(client, found.findings)));
  return { ok: true, value: undefined };
}

/** The running containers of the nodes on which findings about containers are, by node. A node that cannot be read has none. */
export async function readContainers(
  client: ApiClient,
  found: readonly FleetFinding[],
): Promise<ReadonlyMap<string, NodeDetail['containers']>> {
  const containers = new Map<string, NodeDetail['containers']>();
  const about = found.filter(({ subject }) => subject.kind === 'container');
  for (const nodeId of new Set(about.map((finding) => finding.nodeId))) {
    const node = await client.get(`/v1/nodes/${encodeURIComponent(nodeId)}`, nodeDetail);
    if (node.ok) containers.set(nodeId, node.value.containers);
  }
  return containers;
}

/** What reports show beside the findings. */
interface About {
  readonly nodes: readonly FleetNode[];
  readonly checks: s.Infer<typeof checkList>['checks'];
  readonly madeAt: number;
  readonly version: string;
}

function fleetReport({ findings, benchmark, isComplete }: FleetFindings, about: About): FindingReport {
  const { nodes, checks, madeAt, version } = about;
  const known = new Map(reportedNodes(nodes).map((node) => [node.id, node]));
  const shown = findings.map((finding) => reported(finding, known.get(finding.nodeId)));
  return {
    command: 'plimsoll findings',
    description: describe(about, known),
    nodes: [...known.values()],
    isFleet: true,
    findings: shown,
    checks,
    tailoring: { profile: undefined, excluded: [] },
    // A part of the findings would give controls that pass for what was left out.
    benchmark: benchmark && isComplete ? assessBenchmark(benchmark, shown) : undefined,
    isComplete,
    madeAt,
    version,
  };
}

function reported(finding: FleetFinding, node: ReportedNode | undefined): ReportedFinding {
  const { nodeId, nodeName, waiver } = finding;
  return {
    ...plain(finding),
    node: node ?? { id: nodeId, name: nodeLabel(nodeName, nodeId), operatingSystem: '' },
    ...(waiver !== null && { waived: true, accepted: waiverText(waiver) }),
  };
}

/** A name that several nodes have is followed by the id. */
function reportedNodes(nodes: readonly FleetNode[]): readonly ReportedNode[] {
  const byName = Map.groupBy(nodes, ({ name }) => name);
  return nodes.map(({ id, name, operatingSystem }) => {
    const isShared = (byName.get(name)?.length ?? 0) > 1;
    return { id, name: isShared ? `${name} (${id})` : nodeLabel(name, id), operatingSystem };
  });
}

function plain({ id, check, title, verdict, severity, subject, evidence, reason }: FleetFinding): Finding {
  return { id, check, title, verdict, severity, subject, evidence, ...(reason !== null && { reason }) };
}

/** The findings for events. */
function listedFindings(
  { findings }: FleetFindings,
  { nodes, checks, madeAt, version }: About,
  containers: ReadonlyMap<string, NodeDetail['containers']>,
): ListedFindings {
  return {
    findings: findings.map((finding) => {
      const { nodeId, nodeName, firstSeenMs, changedMs, waiver } = finding;
      return { ...plain(finding), nodeId, nodeName, firstSeenMs, changedMs, ...(waiver !== null && { waiver }) };
    }),
    nodes: nodes.map((node) => ({ ...node, containers: containers.get(node.id) ?? [] })),
    checks,
    listedAtMs: madeAt,
    version,
  };
}

/** What a reader must know of the nodes: how many there are, and whose findings may be old. */
function describe({ nodes, madeAt, version }: About, known: ReadonlyMap<string, ReportedNode>): string {
  const namesOf = (some: readonly FleetNode[]): string => {
    const names = some.map(({ name, id }) => known.get(id)?.name ?? name);
    const rest = names.length - MAX_NAMED;
    return `${names.slice(0, MAX_NAMED).join(', ')}${rest > 0 ? ` and ${String(rest)} more` : ''}`;
  };
  const away = nodes.filter(({ presence }) => presence !== 'connected');
  return [
    `${counted(nodes.length, 'node')}${nodes.length === 0 ? '' : `: ${namesOf(nodes)}`}.`,
    `Findings of the collector at ${timeText(madeAt)}, printed by Plimsoll ${version}.`,
    ...(away.length === 0 ? [] : [`Not connected, so that their findings may be old or missing: ${namesOf(away)}.`]),
  ].join(' ');
}
