import { factList } from '../../../api/fact.ts';
import { factPaths } from '../../../posture/fact/path.ts';
import { answer, jsonRoute } from '../route.ts';

/** GET /v1/facts */
export const listFacts = jsonRoute({
  method: 'GET',
  path: '/v1/facts',
  operation: 'listFacts',
  summary: 'Facts that a live query can use',
  description: 'Every fact of a node and every field in it, in the order of the documentation.',
  refuses: [],
  answer: factList,
  handle: () => answer({ facts: factPaths().map(({ path, type, doc }) => ({ path, type, description: doc })) }),
});
