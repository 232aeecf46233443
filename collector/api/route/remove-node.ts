import { removedNode } from '../../../api/node.ts';
import * as s from '../../../posture/schema.ts';
import { text } from '../parameter.ts';
import { answer, callerOf, jsonRoute, refuse } from '../route.ts';

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
  params: s.object({ id: text('id; a name is refused', 256) }),
  answer: removedNode,
  handle: async ({ params: { id }, principal, address }, { removeNode }) => {
    const given = await removeNode(id, callerOf({ principal, address }));
    switch (given.outcome) {
      case 'removed':
        return answer({ id, name: given.node.name, findings: given.findings, resolved: given.resolved });
      case 'unknown':
        return refuse(
          'unknownNode',
          `no node has the id ${JSON.stringify(id)}`,
          'list the nodes: plimsoll nodes, GET /v1/nodes',
        );
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
