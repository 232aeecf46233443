import { z } from 'zod';
import type { FactList } from '../../../api/fact.ts';
import { factPaths } from '../../../posture/fact/path.ts';
import type { Answers } from '../answers.ts';
import { answer, jsonRoute } from '../route.ts';

/** GET /v1/facts */
export const listFacts = jsonRoute({
  method: 'GET',
  path: '/v1/facts',
  operation: 'listFacts',
  summary: 'What a live query can name',
  description: 'Every fact of a node and every field in it, in the order of the documentation.',
  refuses: [],
  answer: z.strictObject({
    facts: z.array(
      z.strictObject({
        path: z.string().describe('as in an expression; `[]`: an item of a list, `["…"]`: an entry of a map'),
        type: z.string().describe('type of CEL, or the words that it can hold; ` | null` where it can be missing'),
        description: z.string().describe('empty where the name says it all'),
      }),
    ),
  }) satisfies Answers<FactList>,
  handle: () => answer({ facts: factPaths().map(({ path, type, doc }) => ({ path, type, description: doc })) }),
});
