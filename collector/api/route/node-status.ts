import { nodeStatus, nodeStatusAnswer } from '../../../api/node-status.ts';
import type { NodeStatus, NodeStatusAnswer } from '../../../api/node-status.ts';
import * as s from '../../../posture/schema.ts';
import type { QueryAnswer } from '../../query/query.ts';
import { text } from '../parameter.ts';
import { presentFailedAnswer } from '../present.ts';
import { principalKey } from '../principal.ts';
import { answer, jsonRoute, refuse } from '../route.ts';
import type { Sent } from '../route.ts';
import { findNode } from './nodes.ts';

/** An agent reads its node within 3 s, whatever hangs. */
const DEADLINE_MS = 5_000;
/** A node with the largest number of engines has some 30 KiB. */
const MAX_BYTES = 256 * 1024;

/** GET /v1/nodes/{node}/status */
export const getNodeStatus = jsonRoute({
  method: 'GET',
  path: '/v1/nodes/{node}/status',
  operation: 'getNodeStatus',
  summary: 'Current status of a node, asked of its agent',
  description:
    'Asks the agent of the node for uptime, load, memory, pressure, free room, containers by state and what it uses ' +
    'itself. Answers within 7 s; where the node is offline or does not answer, `outcome` says so and there is no status.',
  refuses: ['unknownNode', 'ambiguousNode', 'invalidRequest'],
  params: s.object({ node: text('id, at least 4 characters of its beginning, or name', 256) }),
  asksNodes: true,
  answer: nodeStatusAnswer,
  handle: async ({ params, principal, signal }, { store, queries, clock }) => {
    const found = await findNode(store, params.node);
    if (!found.ok) return found;
    const limits = { deadlineMs: DEADLINE_MS, maxRows: 1, maxBytes: MAX_BYTES };
    const askedMs = clock.now();
    const startMs = clock.monotonic();
    const request = { expression: 'nodeStatus', nodes: [found.body.id], ...limits };
    const response = await queries.ask(request, signal, principalKey(principal));
    const tookMs = clock.monotonic() - startMs;
    const given = response.outcome === 'answered' ? response.answers[0] : undefined;
    // Removed while it was asked.
    if (given === undefined) return refuse('unknownNode', 'the node was removed', 'GET /v1/nodes lists all');
    return answer(presentStatus(given, { askedMs, tookMs }));
  },
});

/** When the node was asked on the clock of the collector, and how long its answer took. */
interface Exchange {
  readonly askedMs: number;
  readonly tookMs: number;
}

function presentStatus(given: QueryAnswer, { askedMs, tookMs }: Exchange): Sent<NodeStatusAnswer> {
  if (given.outcome !== 'ok') return presentFailedAnswer(given);
  const { nodeId, nodeName } = given;
  const parsed = nodeStatus.parse(given.value);
  if (!parsed.ok)
    return { outcome: 'error', nodeId, nodeName, error: `the answer of the node is not valid: ${parsed.problem}` };
  return {
    outcome: 'ok',
    nodeId,
    nodeName,
    status: withoutNulls(parsed.value) as Sent<NodeStatus>,
    unread: given.unread ?? [],
    // As NTP does it: the node read its clock at some moment between question and answer.
    clockOffsetMs: Math.round(parsed.value.readAtMs - (askedMs + tookMs / 2)),
    clockErrorMs: Math.ceil(tookMs / 2),
  };
}

/** Answers leave out what has no value. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).filter(([, field]) => field !== null);
  return Object.fromEntries(fields.map(([name, field]) => [name, withoutNulls(field)]));
}
