import t from 'tap';
import type { Test } from 'tap';
import { nodeStatus, nodeStatusAnswer } from '../../../api/node-status.ts';
import type { Query, QueryResult } from '../../../proto/fleet.ts';
import { factsOf, nodeStatusFact } from '../../fixture/facts.ts';
import { violations } from '../../fixture/json-schema.ts';
import { realNode } from '../../fixture/query-fleet.ts';
import type { NodeBehaviour } from '../../fixture/query-fleet.ts';
import { nodeRow } from '../store/fleet.ts';
import { startAskingServer } from './asking-server.ts';
import type { ApiServer } from './server.ts';

const ID = '8f1d0c6be2a54c0e9b7a3a1f5d2e4c60';
const web = realNode(factsOf());
t.teardown(() => web.close());

/** A server with two nodes, of which those in `nodes` are asked over the wire. */
async function serverWith(
  t: Test,
  nodes: Readonly<Record<string, NodeBehaviour>>,
  maxDeadlineMs = 200,
): Promise<ApiServer> {
  const server = await startAskingServer(t, nodes, maxDeadlineMs);
  await server.store.putNodes([nodeRow({ id: ID, name: 'web-3' })]);
  await server.store.putNodes([nodeRow({ id: '8f1d0cff', name: 'db-1', connected: false, offlineSinceMs: 1234 })]);
  return server;
}

/** A node that answers every query with this text. */
const saying = (text: string): NodeBehaviour =>
  async function* (query) {
    yield { queryId: query.id ?? '', chunk: Buffer.from(text), last: true, rows: 1 };
  };

/** A connected node that answers nothing until the test ends it. */
async function* silence(query: Query, signal: AbortSignal): AsyncGenerator<QueryResult> {
  await new Promise((resolve) => signal.addEventListener('abort', resolve));
  yield { queryId: query.id ?? '', last: true, error: 'stopped' };
}

async function statusOf(server: ApiServer, node: string) {
  const response = await server.fetch(`/v1/nodes/${node}/status`);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

void t.test('a node that answers', async (t) => {
  const server = await serverWith(t, { [ID]: web.behaviour }, 20_000);
  const { status, body } = await statusOf(server, 'web-3');
  t.equal(status, 200);
  t.match(body, { outcome: 'ok', nodeId: ID, nodeName: 'web-3' });
  const parsed = nodeStatusAnswer.parse(body);
  if (!parsed.ok || parsed.value.outcome !== 'ok') throw new Error(JSON.stringify(parsed));
  const answer = parsed.value;
  t.match(answer.status, { uptimeSeconds: 86_400, load: { oneMinute: 0.42 }, processes: null, pressure: { io: null } });
  t.match(answer.status.engines, [{ containers: { running: 12, paused: 0, stopped: 3 }, dataRoot: '/var/lib/docker' }]);
  t.same(answer.unread, ['nodeStatus.processes: /proc: only the processes of one pid namespace are visible']);
  const offsetMs = nodeStatusFact().readAtMs - Date.now();
  t.ok(
    Math.abs(answer.clockOffsetMs - offsetMs) <= answer.clockErrorMs + 1000,
    'the clock of the fixture does not move',
  );
  const document = (await (await server.fetch('/openapi.json')).json()) as { paths: Record<string, { get: unknown }> };
  const operation = document.paths['/v1/nodes/{node}/status']?.get as {
    responses: Record<string, { content: Record<string, { schema: Record<string, unknown> }> }>;
  };
  const schema = operation.responses['200']?.content['application/json']?.schema ?? {};
  t.same(violations(schema, body, document), []);
});

void t.test('by id, by the beginning of an id, and what is not one node', async (t) => {
  const server = await serverWith(t, {});
  for (const word of [ID, ID.slice(0, 8), 'web-3']) t.match(await statusOf(server, word), { body: { nodeId: ID } });
  t.match(await statusOf(server, '8f1d0c'), { status: 409, body: { error: { code: 'ambiguousNode' } } });
  t.match(await statusOf(server, '8f1'), { status: 404 }, 'three characters are a name');
  t.match(await statusOf(server, 'web-4'), {
    status: 404,
    body: { error: { code: 'unknownNode', message: 'no node has the id or name "web-4"; did you mean "web-3"?' } },
  });
  await server.store.putNodes([nodeRow({ id: 'other', name: ID.slice(0, 12) })]);
  t.match(await statusOf(server, ID.slice(0, 12)), { status: 409 }, 'a node that is called like the id of another');
  t.match(await statusOf(server, ID), { status: 200, body: { nodeId: ID } });
});

void t.test('a node that is offline, does not answer, or answers something else', async (t) => {
  t.match(await statusOf(await serverWith(t, {}), 'db-1'), {
    status: 200,
    body: { outcome: 'offline', sinceMs: 1234 },
  });
  t.match(await statusOf(await serverWith(t, { [ID]: silence }), ID), {
    body: { outcome: 'timeout', deadlineMs: 200 },
  });
  for (const text of ['null', '[]', '{"readAtMs":"now"}', '{"readAtMs":1,"engines":[{}]}', 'not JSON'])
    t.match(await statusOf(await serverWith(t, { [ID]: saying(text) }), ID), {
      status: 200,
      body: { outcome: 'error', error: /not valid|not JSON/ },
    });
});

void t.test('fields that the schema does not know are dropped', async (t) => {
  const fact = { readAtMs: 1, pressure: {}, engines: [], secret: '<script>', __proto__: { a: 1 } };
  const server = await serverWith(t, { [ID]: saying(JSON.stringify(fact)) });
  const { body } = await statusOf(server, ID);
  t.same(body['status'], { readAtMs: 1, pressure: {}, engines: [] });
});

void t.test('a waiting request does not use up the time of those that read the store', async (t) => {
  const server = await serverWith(t, { [ID]: silence });
  const waiting = statusOf(server, ID);
  let isOver = false;
  void waiting.then(() => (isOver = true));
  for (let round = 0; round < 3; round += 1) t.equal((await server.fetch('/v1/nodes')).status, 200);
  t.notOk(isOver);
  t.match(await waiting, { body: { outcome: 'timeout' } });
  t.match(await server.fetch('/v1/nodes'), { status: 200 });
});

t.test('the schema of the answer is that of the fact', (t) => {
  t.match(nodeStatus.parse({ readAtMs: 1, pressure: {}, engines: [] }), {
    ok: true,
    value: { memory: null, pressure: { cpu: null } },
  });
  t.match(nodeStatus.parse({ readAtMs: 1, pressure: {}, engines: [], load: { oneMinute: 'x' } }), { ok: false });
  t.end();
});
