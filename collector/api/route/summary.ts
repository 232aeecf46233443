import { summary } from '../../../api/node.ts';
import { isNeverEnrolled } from '../../session/missing-node.ts';
import { presentCounts } from '../present.ts';
import { answer, jsonRoute } from '../route.ts';

/** GET /v1/summary */
export const getSummary = jsonRoute({
  method: 'GET',
  path: '/v1/summary',
  operation: 'getSummary',
  summary: 'Counts of nodes and findings for an overview',
  description: 'How many nodes there are, how many of them are connected, and counts of findings over all of them.',
  refuses: [],
  answer: summary,
  handle: async (_input, { store, version }) => {
    const [nodes, counts] = await Promise.all([store.nodes(), store.counts()]);
    const connected = nodes.filter((node) => node.connected).length;
    const neverEnrolled = nodes.filter(isNeverEnrolled).length;
    return answer({
      version,
      nodes: { total: nodes.length, connected, offline: nodes.length - connected - neverEnrolled, neverEnrolled },
      counts: presentCounts(counts),
    });
  },
});
