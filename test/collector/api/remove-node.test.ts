import t from 'tap';
import type { NodeRemoval } from '../../../collector/session/remove-node.ts';
import { nodeRow } from '../store/fleet.ts';
import { startServer, TOKEN } from './server.ts';

void t.test('a node is removed by its id; every outcome has its status', async (t) => {
  const node = nodeRow({ connected: false });
  const outcomes: Readonly<Record<string, NodeRemoval>> = {
    n1: { outcome: 'removed', node, findings: 7, resolved: 3 },
    n2: { outcome: 'connected', node },
    n3: { outcome: 'notNow', reason: 'the store is full' },
  };
  const asked: string[] = [];
  const server = await startServer(t, {
    removeNode: (nodeId, by) => {
      asked.push(`${nodeId} by ${by}`);
      return Promise.resolve(outcomes[nodeId] ?? { outcome: 'unknown' });
    },
  });
  const remove = async (id: string, headers: Readonly<Record<string, string>> = {}) => {
    const init = { method: 'DELETE', headers: { authorization: `Bearer ${TOKEN}`, ...headers } };
    const response = await server.fetch(`/v1/nodes/${encodeURIComponent(id)}`, init);
    return { status: response.status, body: await response.json() };
  };
  t.same(await remove('n1'), { status: 200, body: { id: 'n1', name: 'web-1', findings: 7, resolved: 3 } });
  t.match(await remove('n2'), {
    status: 409,
    body: { error: { code: 'nodeConnected', message: 'the node "web-1" is connected', hint: /stop its agent first/ } },
  });
  t.match(await remove('n3'), {
    status: 503,
    body: { error: { code: 'unavailable', message: 'nothing was removed: the store is full' } },
  });
  t.match(await remove('web 1/x'), {
    status: 404,
    body: { error: { code: 'unknownNode', message: 'no node has the id "web 1/x"' } },
  });
  t.same(
    asked,
    ['n1', 'n2', 'n3', 'web 1/x'].map((id) => `${id} by token file (token-file) at 127.0.0.1`),
  );
  t.match(await remove('n1', { authorization: 'Bearer wrong' }), { status: 401 });
  t.match(await remove('n1', { 'sec-fetch-site': 'cross-site' }), {
    status: 403,
    body: { error: { code: 'crossSite' } },
  });
  t.match(await remove('x'.repeat(257)), { status: 400 });
  t.equal(asked.length, 4, 'what is refused goes no further');
});
