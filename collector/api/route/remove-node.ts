import { z } from 'zod';
import type { RemovedNode } from '../../../api/node.ts';
import type { Answers } from '../answers.ts';
import { answer, jsonRoute, refuse } from '../route.ts';

/** DELETE /v1/nodes/{id} */
export const removeNode = jsonRoute({
  method: 'DELETE',
  path: '/v1/nodes/{id}',
  operation: 'removeNode',
  summary: 'Removes a node',
  description:
    'Removes a node that is not connected, with its findings. Each open one is resolved, in the history and for every ' +
    'sink, with the cause `nodeRemoved`; the history itself stays. A node that comes back is a new one.',
  refuses: ['unknownNode', 'nodeConnected', 'unavailable', 'invalidRequest'],
  params: z.strictObject({ id: z.string().min(1).max(256).describe('id; a name will not do') }),
  answer: z.strictObject({
    id: z.string(),
    name: z.string(),
    findings: z.int().min(0).describe('findings that the node had'),
    resolved: z.int().min(0).describe('those among them that were open'),
  }) satisfies Answers<RemovedNode>,
  handle: async ({ params: { id }, address }, { removeNode }) => {
    const given = await removeNode(id, address);
    switch (given.outcome) {
      case 'removed':
        return answer({ id, name: given.node.name, findings: given.findings, resolved: given.resolved });
      case 'unknown':
        return refuse('unknownNode', `no node has the id ${JSON.stringify(id)}`, 'GET /v1/nodes lists them');
      case 'connected':
        return refuse(
          'nodeConnected',
          `the node ${JSON.stringify(given.node.name)} is connected`,
          'stop its agent first: a node that still reports would only come back',
        );
      case 'notNow':
        return refuse('unavailable', `nothing was removed: ${given.reason}`, 'try again');
    }
  },
});
