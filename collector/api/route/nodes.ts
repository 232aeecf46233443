import { nodeDetail, nodeList } from '../../../api/node.ts';
import * as s from '../../../posture/schema.ts';
import type { NodeRow, Store } from '../../store/store.ts';
import { presentNode, presentNodeDetail } from '../present.ts';
import { text } from '../parameter.ts';
import { answer, jsonRoute, refuse } from '../route.ts';
import type { ApiResult } from '../route.ts';

/** GET /v1/nodes */
export const listNodes = jsonRoute({
  method: 'GET',
  path: '/v1/nodes',
  operation: 'listNodes',
  summary: 'All nodes',
  description: 'Every node that ever had a session, by name, with its counts of findings.',
  refuses: [],
  answer: nodeList,
  handle: async (_input, { store, clock, heartbeatMs }) => {
    const [nodes, counts] = await Promise.all([store.nodes(), store.counts()]);
    // Each node with its own: with the counts of all, ten thousand nodes would take ten seconds.
    const countsOf = Map.groupBy(counts, ({ nodeId }) => nodeId);
    const terms = { nowMs: clock.now(), heartbeatMs };
    return answer({
      nodes: nodes.toSorted(byName).map((node) => presentNode(node, countsOf.get(node.id) ?? [], terms)),
    });
  },
});

/** GET /v1/nodes/{node} */
export const getNode = jsonRoute({
  method: 'GET',
  path: '/v1/nodes/{node}',
  operation: 'getNode',
  summary: 'One node',
  description: 'One node, by id or name, with its running containers.',
  refuses: ['unknownNode', 'ambiguousNode', 'invalidRequest'],
  params: s.object({ node: text('id or name', 256) }),
  answer: nodeDetail,
  handle: async ({ params }, { store, clock, heartbeatMs }) => {
    const found = await findNodes(store, [params.node]);
    if (!found.ok) return found;
    const [node, ...others] = found.body;
    if (node === undefined) return unknownNode(params.node);
    if (others.length > 0)
      return refuse('ambiguousNode', `${String(others.length + 1)} nodes are called ${params.node}`, 'use its id');
    return answer(presentNodeDetail(node, await store.counts(), { nowMs: clock.now(), heartbeatMs }));
  },
});

/** The nodes that are meant by ids or names; each must mean at least one, and a name may mean several. */
export async function findNodes(store: Store, wanted: readonly string[]): Promise<ApiResult<readonly NodeRow[]>> {
  if (wanted.length === 0) return answer([]);
  const nodes = await store.nodes();
  const found = new Set<NodeRow>();
  for (const word of wanted) {
    const byId = nodes.filter((node) => node.id === word);
    const meant = byId.length > 0 ? byId : nodes.filter((node) => node.name === word);
    if (meant.length === 0) return unknownNode(word);
    for (const node of meant) found.add(node);
  }
  return answer([...found]);
}

function unknownNode(word: string): ApiResult<never> {
  return refuse('unknownNode', `no node has the id or name ${JSON.stringify(word)}`, 'GET /v1/nodes lists them');
}

function byName(one: NodeRow, other: NodeRow): number {
  return one.name < other.name ? -1 : one.name > other.name ? 1 : one.id < other.id ? -1 : 1;
}
