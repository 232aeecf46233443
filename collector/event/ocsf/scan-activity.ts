import type { ScanReport } from '../activity.ts';
import { deviceOf } from './device.ts';
import { classOf, severityOf } from './ocsf-event.ts';
import type { OcsfContext, OcsfEvent } from './ocsf-event.ts';

const CLASS = { uid: 6007, name: 'Scan Activity', category: 'Application Activity' } as const;
const COMPLETED = { id: 2, name: 'Completed' } as const;

/**
 * A complete report of a node as OCSF 1.8 Scan Activity: https://schema.ocsf.io/1.8.0/classes/scan_activity. `total` is
 * the number of findings, `num_detections` that of failures, `num_skipped_items` what could not be judged.
 */
export function toScanActivity(
  activity: ScanReport,
  { atMs, metadata, node }: { readonly atMs: number; readonly metadata: OcsfEvent } & Pick<OcsfContext, 'node'>,
): OcsfEvent {
  const { scanId, findings, failed, unknown, nodeName } = activity;
  return {
    ...classOf(CLASS, COMPLETED, atMs),
    ...severityOf('info'),
    status_id: 1,
    status: 'Success',
    message: `${nodeName} reported ${String(findings)} findings, ${String(failed)} of them failures`,
    metadata: { ...metadata, log_name: 'plimsoll-scans', profiles: ['host'] },
    scan: { uid: scanId, name: 'plimsoll', type_id: 99, type: 'Complete report' },
    device: deviceOf(activity, node(activity.nodeId)),
    total: findings,
    num_detections: failed,
    num_skipped_items: unknown,
  };
}
