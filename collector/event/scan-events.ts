import type { Check } from '../../posture/check/check.ts';
import type { Finding } from '../../posture/finding.ts';
import { findingUid } from '../store/row.ts';
import type { NodeRow } from '../store/store.ts';
import { toComplianceFinding } from './ocsf/compliance-finding.ts';
import type { OcsfEvent } from './ocsf/ocsf-event.ts';

/** One scan of a node without a collector. */
export interface ScannedFindings {
  readonly node: Pick<NodeRow, 'id' | 'name' | 'operatingSystem' | 'kernelRelease' | 'agentVersion'>;
  readonly findings: readonly Finding[];
  readonly checks: readonly Check[];
  readonly scannedAtMs: number;
  readonly version: string;
}

/**
 * The findings of a scan as OCSF 1.8, as if each were new. The same finding has the same `finding_info.uid` in every scan
 * of a node; `metadata.uid` is that of this scan.
 */
export function scanEvents({ node, findings, checks, scannedAtMs, version }: ScannedFindings): readonly OcsfEvent[] {
  const known = { ...node, runtime: '', containers: [] };
  const context = {
    version,
    checks: new Map(checks.map((check) => [check.id, check])),
    node: () => known,
    nowMs: scannedAtMs,
  };
  return findings.map((finding, index) => {
    const uid = findingUid(node.id, finding.id);
    const stored = { nodeId: node.id, nodeName: node.name, firstSeenMs: scannedAtMs, changedMs: scannedAtMs };
    return toComplianceFinding(
      {
        position: index + 1,
        uid: `${uid}-${String(scannedAtMs)}`,
        action: 'opened',
        atMs: scannedAtMs,
        finding: Object.assign({ ...finding }, stored, { uid }),
      },
      context,
    );
  });
}
