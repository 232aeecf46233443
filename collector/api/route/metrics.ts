import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import * as s from '../../../posture/schema.ts';
import { collectorMetrics } from '../../metrics/collector-metrics.ts';
import { OPEN_METRICS_TYPE, toOpenMetrics } from '../../metrics/open-metrics.ts';
import { flag } from '../parameter.ts';
import { answer, NO_FIELDS } from '../route.ts';
import type { BytesRoute, RouteInput } from '../route.ts';

const compress = promisify(gzip);
const query = s.object({
  nodes: s.withDefault(flag('add a series for each of up to 500 nodes, the worst first'), false),
});

/** GET /metrics */
export const getMetrics = Object.freeze<BytesRoute>({
  kind: 'bytes',
  method: 'GET',
  path: '/metrics',
  operation: 'getMetrics',
  summary: 'Metrics for Prometheus',
  description:
    'OpenMetrics 1.0: the collector, its store and sinks, nodes by the state of their connection, findings by verdict and ' +
    'failures by severity. docs/operations.md lists them.',
  refuses: ['invalidRequest'],
  params: NO_FIELDS,
  query,
  body: undefined,
  mediaType: OPEN_METRICS_TYPE,
  handle: async (input, { status, store }) => {
    const { nodes: eachNode } = (input as RouteInput<unknown, s.Infer<typeof query>, unknown>).query;
    const now = await status();
    // A store that fails has an issue in the status; its counts are left out.
    const counts = await store.counts().catch(() => undefined);
    const bytes = Buffer.from(toOpenMetrics(collectorMetrics({ status: now, counts, eachNode })));
    const etag = `"${createHash('sha256').update(bytes).digest('hex')}"`;
    return answer({ bytes, etag, gzip: () => compress(bytes), headers: {} });
  },
});
