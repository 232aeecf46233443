import { nodeDetail, nodeList } from '../../../api/node.ts';
import * as s from '../../../posture/schema.ts';
import { resolveNodes } from '../../query/resolve.ts';
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
  description:
    'Every node that ever had a session, and nodes of the Kubernetes cluster without an agent, by name, with counts of findings.',
  refuses: [],
  answer: nodeList,
  handle: async (_input, { store, presenceTerms }) => {
    const [nodes, counts] = await Promise.all([store.nodes(), store.counts()]);
    // Each node with its own: with the counts of all, ten thousand nodes would take ten seconds.
    const countsOf = Map.groupBy(counts, ({ nodeId }) => nodeId);
    const terms = presenceTerms();
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
  description: 'One node with its running containers.',
  refuses: ['unknownNode', 'ambiguousNode', 'invalidRequest'],
  params: s.object({ node: text('id, at least 4 characters of its beginning, or name', 256) }),
  answer: nodeDetail,
  handle: async ({ params }, { store, presenceTerms }) => {
    const found = await findNode(store, params.node);
    if (!found.ok) return found;
    return answer(presentNodeDetail(found.body, await store.counts(), presenceTerms()));
  },
});

/** The node with this id, beginning of an id, or name; the word must mean one. */
export async function findNode(store: Store, word: string): Promise<ApiResult<NodeRow>> {
  const found = await findNodes(store, [word]);
  if (!found.ok) return found;
  const [node, ...others] = found.body;
  if (node === undefined)
    return refuse('unknownNode', 'no node was named', 'list the nodes: plimsoll nodes, GET /v1/nodes');
  if (others.length > 0)
    return refuse('ambiguousNode', `${String(others.length + 1)} nodes are called ${word}`, 'use its id');
  return answer(node);
}

/** The nodes that these words mean; each must mean at least one, and a name may mean several. */
export async function findNodes(store: Store, words: readonly string[]): Promise<ApiResult<readonly NodeRow[]>> {
  if (words.length === 0) return answer([]);
  const resolved = resolveNodes(words, await store.nodes());
  return resolved.ok
    ? answer(resolved.nodes)
    : refuse('unknownNode', resolved.error, 'list the nodes: plimsoll nodes, GET /v1/nodes');
}

function byName(one: NodeRow, other: NodeRow): number {
  return one.name < other.name ? -1 : one.name > other.name ? 1 : one.id < other.id ? -1 : 1;
}
