import type { Finding } from '../../posture/finding.ts';
import type { FindingWaiver } from '../../policy/waiver.ts';
import { findingUid } from '../store/row.ts';
import type { NodeContainer, NodeRow } from '../store/store.ts';
import { toComplianceFinding } from './ocsf/compliance-finding.ts';
import type { CheckTexts, OcsfEvent } from './ocsf/ocsf-event.ts';

/** Findings as they are now, and what events say about their nodes and checks. */
export interface ListedFindings {
  readonly findings: readonly ListedFinding[];
  readonly nodes: readonly ListedNode[];
  readonly checks: readonly ({ readonly id: string } & CheckTexts)[];
  /** When they were listed. */
  readonly listedAtMs: number;
  readonly version: string;
}

/** A finding with its node and its times. */
export interface ListedFinding extends Finding {
  readonly nodeId: string;
  readonly nodeName: string;
  readonly firstSeenMs: number;
  readonly changedMs: number;
  /** What accepts it. */
  readonly waiver?: FindingWaiver;
}

type ListedNode = Pick<NodeRow, 'id' | 'operatingSystem' | 'kernelRelease' | 'agentVersion' | 'runtime'> & {
  readonly containers: readonly Pick<NodeContainer, 'id' | 'image' | 'imageId'>[];
};

/**
 * Findings as OCSF 1.8, as if each were new. The same finding has the same `finding_info.uid` in every list, and in the
 * events of the collector; `metadata.uid` stays the same until the finding changes.
 */
export function findingEvents(listed: ListedFindings): readonly OcsfEvent[] {
  const { findings, nodes, checks, listedAtMs, version } = listed;
  const known = new Map(nodes.map((node) => [node.id, node]));
  const context = {
    version,
    checks: new Map(checks.map((check) => [check.id, check])),
    node: (id: string) => known.get(id),
    nowMs: listedAtMs,
  };
  return findings.map((finding, index) => {
    const { nodeId, id, changedMs } = finding;
    const uid = findingUid(nodeId, id);
    return toComplianceFinding(
      {
        position: index + 1,
        uid: `${uid}-${String(changedMs)}`,
        action: 'opened',
        atMs: changedMs,
        finding: Object.assign({ ...finding }, { uid }),
      },
      context,
    );
  });
}
