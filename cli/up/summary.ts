import type { FleetFinding } from '../../api/finding.ts';
import { fleetNode } from '../../api/node.ts';
import type { FleetNode } from '../../api/node.ts';
import { queryAnswers } from '../../api/query.ts';
import type { AnswerOf } from '../../api/query.ts';
import * as s from '../../posture/schema.ts';
import type { ApiClient, Result } from '../../api/client.ts';
import { ANY_FINDING, readFindings } from '../api/findings.ts';
import type { ScannedNode } from '../scan/node.ts';
import { renderFindings } from '../render/finding-list.ts';
import { countLines, nodeLines } from '../scan/report.ts';
import type { ReportStyle } from '../scan/report.ts';

/** Worst findings that the summary shows. */
const SHOWN_FINDINGS = 12;
/** Failures that are read to choose them from. */
const READ_FINDINGS = 1_000;
/** How long the kernel's state is waited for. */
const QUERY_DEADLINE_MS = 3_000;

/** What a summary is made of. */
interface NodeSummary {
  readonly node: ScannedNode;
  readonly counts: FleetNode['counts'];
  readonly failures: readonly FleetFinding[];
}

/** Asks the collector for what a person wants to know of one node first. */
export async function readSummary(client: ApiClient, nodeId: string): Promise<Result<NodeSummary>> {
  const node = await client.get(`/v1/nodes/${encodeURIComponent(nodeId)}`, fleetNode);
  if (!node.ok) return node;
  const page = await readFindings(
    client,
    { ...ANY_FINDING, nodes: [nodeId], verdicts: ['fail'], state: 'open' },
    READ_FINDINGS,
  );
  if (!page.ok) return page;
  const kernel = await readKernel(client, nodeId);
  const scanned = describeFleetNode(node.value, kernel);
  return { ok: true, value: { node: scanned, counts: node.value.counts, failures: page.value.findings } };
}

/** The summary as lines: node, kernel, counts, the worst findings. */
export function summaryLines({ node, counts, failures }: NodeSummary, style: ReportStyle): readonly string[] {
  const shown = failures.slice(0, SHOWN_FINDINGS);
  return [
    ...nodeLines(node, undefined, style),
    ...countLines(counts, style),
    '',
    ...renderFindings(shown, { ...style, joined: false }),
  ];
}

/** How many failures the summary does not show. */
export function hiddenFailures({ counts, failures }: NodeSummary): number {
  return counts.verdicts.fail - Math.min(failures.length, SHOWN_FINDINGS);
}

const KERNEL_EXPRESSION =
  '{"lsm": kernel.lsm, "lockdown": kernel.lockdown, "selinux": kernel.selinux, "apparmor": kernel.apparmor}';
const kernelState = s.object({
  lsm: s.nullable(s.list(s.string('', 64), '', 64)),
  lockdown: s.nullable(s.string('', 64)),
  selinux: s.nullable(s.string('', 64)),
  apparmor: s.nullable(s.boolean()),
});

type KernelState = Pick<ScannedNode, 'securityModules' | 'lockdown' | 'selinux' | 'apparmor'>;

const NOTHING_KNOWN: KernelState = Object.freeze({
  securityModules: null,
  lockdown: null,
  selinux: null,
  apparmor: null,
});

/** The kernel's state as the node has it now: a live query, since the collector keeps findings and not facts. */
async function readKernel(client: ApiClient, nodeId: string): Promise<KernelState> {
  const body = { expression: KERNEL_EXPRESSION, nodes: [nodeId], deadlineMs: QUERY_DEADLINE_MS };
  const answer = await client.post('/v1/query', queryAnswers, { body, patienceMs: QUERY_DEADLINE_MS });
  const [first] = answer.ok ? answer.value.answers : [];
  return first?.outcome === 'ok' ? kernelOf(first) : NOTHING_KNOWN;
}

function kernelOf({ value, unread }: AnswerOf<'ok'>): KernelState {
  const parsed = kernelState.parse(value);
  if (!parsed.ok) return NOTHING_KNOWN;
  const { lsm, lockdown, selinux, apparmor } = parsed.value;
  // Null means absent or unread; what is unread is named beside it.
  const known = <T>(field: string, given: T | null, absent: T): T | null =>
    unread.some((entry) => entry.startsWith(`kernel.${field}:`)) ? null : (given ?? absent);
  return {
    securityModules: known<readonly string[]>('lsm', lsm, []),
    lockdown: known('lockdown', lockdown, 'unsupported'),
    selinux: known('selinux', selinux, 'disabled'),
    apparmor: known('apparmor', apparmor, false),
  };
}

function describeFleetNode(node: FleetNode, kernel: KernelState): ScannedNode {
  return {
    id: node.id,
    name: node.name,
    operatingSystem: node.operatingSystem,
    kernelRelease: node.kernelRelease,
    architecture: node.architecture,
    cpus: node.cpus,
    memoryBytes: node.memoryBytes,
    virtualization: '',
    runtime: node.runtime,
    containers: node.containerCount,
    effectiveUid: 0,
    agentVersion: node.agentVersion,
    ...kernel,
  };
}
