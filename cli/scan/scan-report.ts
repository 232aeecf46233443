import type { Benchmark } from '../../posture/benchmark/benchmark.ts';
import { assessBenchmark } from '../../posture/benchmark/compliance.ts';
import type { Facts } from '../../posture/fact/facts.ts';
import type { Finding } from '../../posture/finding.ts';
import { exclusions } from '../../tailoring/catalog.ts';
import type { Catalog } from '../../tailoring/catalog.ts';
import { findingWaiver, waiverText } from '../../policy/waiver.ts';
import type { Waiver } from '../../policy/waiver.ts';
import type { ListedFindings } from '../programs.ts';
import { timeText } from '../report/finding-report.ts';
import type { FindingReport, ReportedFinding } from '../report/finding-report.ts';
import { describeNode } from './node.ts';
import type { ScannedNode } from './node.ts';

/** A scan, and what is reported of it. */
export interface ScanReportContent {
  readonly facts: Facts;
  /** Everything that was judged, worst first, and the part of it that was selected. */
  readonly judged: readonly Finding[];
  readonly selected: readonly Finding[];
  /** Ids of failures that the baseline has. */
  readonly known: ReadonlySet<string>;
  /** The waivers of findings, by id. */
  readonly waived: ReadonlyMap<string, Waiver>;
  readonly catalog: Catalog;
  readonly benchmark: Benchmark | undefined;
  readonly level: number;
  /** Milliseconds since the epoch. */
  readonly madeAt: number;
  readonly version: string;
}

/** A scan as formats for other tools show it. */
export function scanReport(content: ScanReportContent): FindingReport {
  const { facts, judged, selected, catalog, benchmark, level, madeAt, version } = content;
  const node = describeNode(facts);
  const report = (finding: Finding): ReportedFinding => reported(finding, node, content);
  return {
    command: 'plimsoll scan',
    description: describe(node, content),
    nodes: [node],
    isFleet: false,
    findings: selected.map(report),
    checks: catalog.checks,
    tailoring: catalog,
    benchmark: benchmark && assessBenchmark(benchmark, judged.map(report), { level, excluded: exclusions(catalog) }),
    isComplete: true,
    madeAt,
    version,
  };
}

/** The selected findings of a scan for events: each is new. */
export function listedFindings(content: ScanReportContent): ListedFindings {
  const { facts, selected, waived, catalog, madeAt, version } = content;
  const node = describeNode(facts);
  const times = { nodeId: node.id, nodeName: node.name, firstSeenMs: madeAt, changedMs: madeAt };
  const { containers } = facts;
  return {
    findings: selected.map((finding) => {
      const waiver = waived.get(finding.id);
      return Object.assign({}, finding, times, waiver && { waiver: findingWaiver(waiver) });
    }),
    nodes: [
      { ...node, runtime: node.runtime ?? 'unknown', containers: containers.state === 'seen' ? containers.value : [] },
    ],
    checks: catalog.checks,
    listedAtMs: madeAt,
    version,
  };
}

function reported(finding: Finding, node: ScannedNode, { known, waived }: ScanReportContent): ReportedFinding {
  const waiver = waived.get(finding.id);
  if (waiver !== undefined) return { ...finding, node, waived: true, accepted: waiverText(findingWaiver(waiver)) };
  return { ...finding, node, ...(known.has(finding.id) && { accepted: 'in the baseline' }) };
}

function describe(node: ScannedNode, { madeAt, version }: ScanReportContent): string {
  const { name, operatingSystem, kernelRelease, runtime, containers, effectiveUid } = node;
  const engine = runtime === null ? 'container engine unknown' : runtime === '' ? 'no container engine' : runtime;
  const running = `${containers === null ? 'number of' : String(containers)} running containers${containers === null ? ' unknown' : ''}`;
  const rights = effectiveUid === 0 ? '' : ', not as root: some things could not be read';
  return `Host ${name}, ${operatingSystem}, kernel ${kernelRelease}, ${engine}, ${running}. Scanned ${timeText(madeAt)} with Plimsoll ${version}${rights}.`;
}
