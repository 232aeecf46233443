import type { LiveEvidence } from '../activity.ts';
import { deviceOf } from './device.ts';
import { classOf, severityOf } from './ocsf-event.ts';
import type { OcsfContext, OcsfEvent } from './ocsf-event.ts';

const CLASS = { uid: 5040, name: 'Live Evidence Info', category: 'Discovery' } as const;
const QUERY = { id: 1, name: 'Query' } as const;
const EXISTS = { id: 1, name: 'Exists' } as const;
const PARTIAL = { id: 2, name: 'Partial' } as const;
const ERROR = { id: 4, name: 'Error' } as const;

/**
 * The answer of a node to a live query as OCSF 1.8 Live Evidence Info:
 * https://schema.ocsf.io/1.8.0/classes/evidence_info. `query_info.data` is the answer where it is small. The class
 * wants one object of a closed list as evidence; a query can be about anything, so it is the service that answered.
 */
export function toLiveEvidence(
  activity: LiveEvidence,
  { atMs, metadata, node }: { readonly atMs: number; readonly metadata: OcsfEvent } & Pick<OcsfContext, 'node'>,
): OcsfEvent {
  const { queryId, expression, by, outcome, rows, truncated, value, nodeId, nodeName } = activity;
  const isAnswered = outcome === 'ok';
  const result = isAnswered ? (truncated ? PARTIAL : EXISTS) : ERROR;
  return {
    ...classOf(CLASS, QUERY, atMs),
    ...severityOf('info'),
    status_id: isAnswered ? 1 : 2,
    status: isAnswered ? 'Success' : 'Failure',
    ...(isAnswered ? {} : { status_detail: outcome }),
    message: isAnswered ? `${nodeName} answered a query with ${String(rows)} rows` : `${nodeName}: ${outcome}`,
    metadata: { ...metadata, log_name: 'plimsoll-queries', correlation_uid: queryId },
    device: deviceOf(activity, node(nodeId)),
    query_info: {
      uid: queryId,
      name: 'plimsoll query',
      query_string: expression,
      query_time: atMs,
      ...(value !== undefined && { data: JSON.parse(value) as unknown, bytes: Buffer.byteLength(value) }),
    },
    query_result_id: result.id,
    query_result: result.name,
    query_evidence: { query_type_id: 99, query_type: 'CEL', service: { name: 'plimsoll-agent', uid: nodeId } },
    unmapped: { by, rows, truncated },
  };
}
