import t from 'tap';
import { createQueryHub, DEFAULT_QUERY_LIMITS } from '../../../collector/query/hub.ts';
import type { QueryHub, QueryLimits } from '../../../collector/query/hub.ts';
import type { QueryRequest, QueryResponse } from '../../../collector/query/query.ts';
import type { NodeRow } from '../../../collector/store/store.ts';
import { seen, unreadable } from '../../../posture/observed.ts';
import type { Query, QueryResult } from '../../../proto/fleet.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import type { FakeClock } from '../../service/fake-clock.ts';
import { containerFact } from '../../fixture/container.ts';
import { factsOf, kernelFact } from '../../fixture/facts.ts';
import { connectFleet, nodeRow, realNode, silent } from '../../fixture/query-fleet.ts';
import type { NodeBehaviour, TestFleet } from '../../fixture/query-fleet.ts';

const never = new AbortController().signal;
const web = realNode(
  factsOf({
    containers: seen(
      [
        containerFact({
          name: 'open',
          seccomp: seen({ mode: 'disabled', filters: 0, threads: 1, weakest: '/proc/7/task/7/status' }, '/proc/7'),
        }),
        containerFact({ name: 'dead', seccomp: unreadable('/proc/9/status', 'no such process (ESRCH)') }),
      ],
      'GET /containers/json',
    ),
  }),
);
const database = realNode(
  factsOf({
    kernel: kernelFact({ lockdown: seen('none', '/sys/kernel/security/lockdown') }),
    containers: seen([], 'x'),
  }),
);
t.teardown(() => {
  web.close();
  database.close();
});

const WEB = nodeRow('id-web', 'web-3');
const DATABASE = nodeRow('id-db', 'db-1');
const LOST = nodeRow('id-lost', 'lost-9', { connected: false, offlineSinceMs: 1_700_000_000_000 });

interface Setting {
  readonly hub: QueryHub;
  readonly fleet: TestFleet;
  readonly clock: FakeClock;
}

function setUp(
  nodes: Readonly<Record<string, NodeBehaviour>>,
  rows: readonly NodeRow[],
  limits: Partial<QueryLimits> = {},
): Setting {
  const clock = createFakeClock();
  const fleet = connectFleet(nodes, () => hub.replies);
  const hub = createQueryHub({
    sessions: () => fleet.sessions,
    store: { nodes: () => Promise.resolve(rows) },
    clock,
    log: silent,
    limits: { ...DEFAULT_QUERY_LIMITS, ...limits },
  });
  return { hub, fleet, clock };
}

function request(expression: string, overrides: Partial<QueryRequest> = {}): QueryRequest {
  return { expression, nodes: [], deadlineMs: 30_000, maxRows: 1000, maxBytes: 1024 * 1024, ...overrides };
}

function answersOf(response: QueryResponse): readonly unknown[] {
  if (response.outcome !== 'answered') throw new Error(`not answered: ${response.error}`);
  return response.answers;
}

/** A node that never answers, until it is cancelled. */
const mute: NodeBehaviour = async function* (_query, signal) {
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  yield* [];
};

/** A node that sends these messages, each with the id of the query. */
function sends(...results: readonly QueryResult[]): NodeBehaviour {
  return async function* (query: Query) {
    await Promise.resolve();
    for (const result of results) yield { queryId: query.id ?? '', ...result };
  };
}

await t.test('every node answers for itself, in the order of names', async (t) => {
  const { hub } = setUp({ 'id-web': web.behaviour, 'id-db': database.behaviour }, [WEB, LOST, DATABASE]);
  t.same(answersOf(await hub.ask(request('kernel.lockdown'), never)), [
    { outcome: 'ok', nodeId: 'id-db', nodeName: 'db-1', value: 'none', rows: 1, truncated: false },
    { outcome: 'offline', nodeId: 'id-lost', nodeName: 'lost-9', sinceMs: 1_700_000_000_000 },
    { outcome: 'ok', nodeId: 'id-web', nodeName: 'web-3', value: 'integrity', rows: 1, truncated: false },
  ]);
  const disabled = 'containers.filter(c, c.seccomp.mode == "disabled").map(c, c.name)';
  t.same(answersOf(await hub.ask(request(disabled, { nodes: ['web-3', 'id-db', 'id-web'] }), never)), [
    { outcome: 'ok', nodeId: 'id-db', nodeName: 'db-1', value: [], rows: 0, truncated: false },
    {
      outcome: 'ok',
      nodeId: 'id-web',
      nodeName: 'web-3',
      value: ['open'],
      rows: 1,
      truncated: false,
      unread: ['containers[dead].seccomp: /proc/9/status: no such process (ESRCH)'],
    },
  ]);
  t.match(answersOf(await hub.ask(request('1 / (node.cpus - 2)', { nodes: ['db-1'] }), never)), [
    { outcome: 'error', nodeId: 'id-db', error: /^division by zero/ },
  ]);
  t.match(answersOf(await hub.ask(request('containers.map(c, c.name)', { nodes: ['web-3'], maxRows: 1 }), never)), [
    { outcome: 'ok', value: ['open'], rows: 1, truncated: true },
  ]);
  t.equal(hub.ignoredResults(), 0);
});

await t.test('what cannot be asked is not sent', async (t) => {
  const { hub, fleet } = setUp({ 'id-web': web.behaviour }, [WEB, DATABASE]);
  t.same(await hub.ask(request('kernel.lockdwn'), never), {
    outcome: 'invalid',
    error: 'kernel has no field `lockdwn`; did you mean `lockdown`? (at character 8)',
  });
  t.same(await hub.ask(request('kernel.lockdown', { nodes: ['web-3', 'web-4'] }), never), {
    outcome: 'unknownNode',
    error: 'no node has the id or name "web-4"; did you mean "web-3"?',
  });
  t.match(await hub.ask(request('1', { nodes: ['elsewhere-in-the-world'] }), never), {
    outcome: 'unknownNode',
    error: 'no node has the id or name "elsewhere-in-the-world"',
  });
  t.equal(fleet.sent.size, 0);
  t.match(
    answersOf(await hub.ask(request('1', { nodes: ['db-1'] }), never)),
    [{ outcome: 'error', error: /takes no queries now/ }],
    'known as connected, but without a session',
  );
  t.same(answersOf(await setUp({}, []).hub.ask(request('1'), never)), [], 'no nodes, no answers');
});

await t.test('a silent node is a timeout once its answer could have travelled', async (t) => {
  const { hub, fleet, clock } = setUp({ 'id-web': mute, 'id-db': sends({ chunk: Buffer.from('1'), last: true }) }, [
    WEB,
    DATABASE,
  ]);
  let done = false;
  const asked = hub.ask(request('1', { deadlineMs: 5_000 }), never).finally(() => (done = true));
  await clock.advance(6_999);
  t.notOk(done);
  await clock.advance(1);
  t.match(answersOf(await asked), [
    { outcome: 'ok', nodeId: 'id-db', value: 1 },
    { outcome: 'timeout', nodeId: 'id-web', deadlineMs: 5_000 },
  ]);
  const id = fleet.sent.get('id-web')?.[0]?.query?.id ?? '';
  t.match(fleet.sent.get('id-web')?.[1], { cancel: { queryId: id } });
  t.equal(fleet.sent.get('id-db')?.length, 1, 'a node that answered gets no cancellation');
  t.equal(clock.waiting(), 0);
  hub.replies.onResult('id-web', { queryId: id, chunk: Buffer.from('1'), last: true });
  t.equal(hub.ignoredResults(), 1, 'too late');
});

await t.test('bounds of the collector', async (t) => {
  const { hub, fleet } = setUp({ 'id-web': sends({ chunk: Buffer.from('[]'), last: true }) }, [WEB], {
    maxDeadlineMs: 100,
    maxRows: 10,
    maxBytes: 1000,
  });
  await hub.ask(request('[]', { deadlineMs: 1e9, maxRows: 1e9, maxBytes: 1e9 }), never);
  t.match(fleet.sent.get('id-web')?.[0]?.query, { expression: '[]', deadlineMs: 100, maxRows: 10, maxBytes: 1000 });
  const ids = new Set<unknown>();
  for (let round = 0; round < 20; round += 1) await hub.ask(request('[]'), never);
  for (const { query } of fleet.sent.get('id-web') ?? []) ids.add(query?.id);
  t.equal(ids.size, 21, 'no id is used twice');
});

await t.test('a node that is lost while it is waited for is offline', async (t) => {
  const { hub, fleet, clock } = setUp({ 'id-web': mute }, [WEB]);
  const asked = hub.ask(request('1'), never);
  await clock.advance(1_000);
  fleet.disconnect('id-web');
  t.match(answersOf(await asked), [{ outcome: 'offline', nodeId: 'id-web', sinceMs: clock.now() }]);
});

await t.test('when nobody waits any more, nodes get a cancellation', async (t) => {
  const { hub, fleet, clock } = setUp({ 'id-web': mute }, [WEB]);
  const caller = new AbortController();
  const asked = hub.ask(request('1'), caller.signal);
  await clock.advance(10);
  caller.abort();
  t.match(answersOf(await asked), [{ outcome: 'error', nodeId: 'id-web' }]);
  t.ok(fleet.sent.get('id-web')?.[1]?.cancel);
  t.match(answersOf(await hub.ask(request('1'), caller.signal)), [{ outcome: 'error' }], 'gone from the start');
});

await t.test(
  'a large fleet is asked in turns: who was not asked yet is neither waited for nor cancelled',
  async (t) => {
    /** Nodes that get a query in one turn of the event loop (hub.ts). */
    const TURN = 250;
    const ids = Array.from({ length: 2 * TURN + 10 }, (_, index) => `id-${String(1000 + index)}`);
    const rows = ids.map((id) => nodeRow(id, id));
    const answer = { chunk: Buffer.from('1'), last: true };
    const all = (behaviour: NodeBehaviour) => Object.fromEntries(ids.map((id) => [id, behaviour]));
    const quick = setUp(all(sends(answer)), rows);
    const answers = answersOf(await quick.hub.ask(request('1'), never));
    t.same(
      answers.map((given) => (given as { nodeId: string }).nodeId),
      ids,
      'one answer of each, in order',
    );
    t.ok([...quick.fleet.sent.values()].every(({ length }) => length === 1));

    const { hub, fleet } = setUp(all(mute), rows);
    const caller = new AbortController();
    const [last = '', lost = ''] = ids.toReversed();
    const asked = hub.ask(request('1'), caller.signal);
    await Promise.resolve();
    await Promise.resolve();
    t.equal(fleet.sent.size, TURN, 'the first turn');
    const id = fleet.sent.get(ids[0] ?? '')?.[0]?.query?.id ?? '';
    hub.replies.onResult(last, { queryId: id, ...answer });
    t.equal(hub.ignoredResults(), 1, 'an answer before the question');
    fleet.disconnect(lost);
    await new Promise(setImmediate);
    t.equal(fleet.sent.size, 2 * TURN, 'the second');
    caller.abort();
    const outcomes = answersOf(await asked) as readonly { nodeId: string; outcome: string }[];
    t.same(
      outcomes.filter(({ outcome }) => outcome !== 'error').map(({ nodeId, outcome }) => [nodeId, outcome]),
      [[lost, 'offline']],
    );
    await new Promise(setImmediate);
    t.equal(fleet.sent.size, 2 * TURN, 'no third');
    t.ok(
      [...fleet.sent.values()].every(([query, cancel, ...others]) => query?.query && cancel?.cancel && !others.length),
      'those that were asked are told to stop',
    );
  },
);

await t.test('one caller leaves room for the queries of others', async (t) => {
  const { hub } = setUp({ 'id-web': mute }, [WEB], { maxConcurrent: 4 });
  const over = new AbortController();
  const ask = (caller: string) => hub.ask(request('1'), over.signal, caller);
  const running = [ask('a'), ask('a')];
  t.match(answersOf(await ask('a')), [{ outcome: 'error', error: /too many queries/ }]);
  running.push(ask('b'));
  over.abort();
  t.notMatch(await Promise.all(running), [{ answers: [{ error: /too many queries/ }] }]);
});

await t.test('a limit of concurrent queries', async (t) => {
  const { hub, clock } = setUp({ 'id-web': mute }, [WEB], { maxConcurrent: 2 });
  const caller = new AbortController();
  const first = [hub.ask(request('1'), caller.signal), hub.ask(request('1'), caller.signal)];
  await clock.advance(1);
  t.match(answersOf(await hub.ask(request('1'), never)), [{ outcome: 'error', error: /too many queries/ }]);
  caller.abort();
  await Promise.all(first);
  const again = hub.ask(request('1', { deadlineMs: 1 }), never);
  await clock.advance(2_001);
  t.match(answersOf(await again), [{ outcome: 'timeout' }], 'room again');
});

await t.test('results that were not asked for are ignored and counted', async (t) => {
  const { hub, fleet, clock } = setUp({ 'id-web': mute, 'id-db': mute }, [WEB, DATABASE]);
  const asked = hub.ask(request('1', { nodes: ['web-3'] }), never);
  await clock.advance(1);
  const id = fleet.sent.get('id-web')?.[0]?.query?.id ?? '';
  const answer = { chunk: Buffer.from('2'), last: true };
  hub.replies.onResult('id-db', { queryId: id, ...answer });
  hub.replies.onResult('id-web', { queryId: 'made-up', ...answer });
  hub.replies.onResult('id-web', answer);
  t.equal(hub.ignoredResults(), 3);
  hub.replies.onResult('id-web', { queryId: id, ...answer });
  t.match(answersOf(await asked), [{ outcome: 'ok', nodeId: 'id-web', value: 2 }]);
});

await t.test('what a node may not say', async (t) => {
  const say = async (...results: readonly QueryResult[]): Promise<unknown> => {
    const { hub } = setUp({ 'id-web': sends(...results) }, [WEB], { maxTotalBytes: 150_000 });
    const [answer] = answersOf(await hub.ask(request('1', { maxBytes: 100_000 }), never));
    return answer;
  };
  const text = (json: string): QueryResult => ({ chunk: Buffer.from(json), last: true });
  const [first, second] = [Buffer.from('"é"').subarray(0, 2), Buffer.from('"é"').subarray(2)];
  t.match(await say({ chunk: first }, { chunk: second, last: true }), { value: 'é' }, 'cut within a character');
  const notJson = { outcome: 'error', error: 'the node sent an answer that is not JSON' };
  t.match(await say(text('{"a":')), notJson);
  t.match(await say({ last: true }), notJson, 'nothing at all');
  t.match(await say({ chunk: Buffer.from([0x22, 0xff, 0x22]), last: true }), notJson, 'not UTF-8');
  t.match(await say(text('['.repeat(200) + ']'.repeat(200))), { outcome: 'error', error: /nested too deep/ });
  t.match(await say(text(JSON.stringify('['.repeat(200)))), { outcome: 'ok' }, 'brackets in a string are no nesting');
  t.match(await say(text(String.raw`"\"[[[["`)), { outcome: 'ok', value: '"[[[[' });
  t.match(await say({ last: true, error: 'x'.repeat(5000) }), { outcome: 'error', error: /^x{1000}$/ });
  t.match(await say({ ...text('[1,2]'), rows: 99, unread: Array.from({ length: 500 }, () => 'y'.repeat(999)) }), {
    rows: 2,
    unread: Array.from({ length: 100 }, () => 'y'.repeat(512)),
  });
});

await t.test('who says too much is cut off', async (t) => {
  const flood: NodeBehaviour = async function* (query, signal) {
    while (!signal.aborted) {
      await new Promise(setImmediate);
      yield { queryId: query.id ?? '', chunk: Buffer.alloc(50_000, 0x20) };
    }
  };
  const { hub, fleet } = setUp({ 'id-web': flood }, [WEB]);
  t.match(answersOf(await hub.ask(request('1', { maxBytes: 1000 }), never)), [
    { outcome: 'error', error: 'the node sent more than it was asked for' },
  ]);
  t.ok(fleet.sent.get('id-web')?.[1]?.cancel);
  const both = setUp({ 'id-web': flood, 'id-db': flood }, [WEB, DATABASE], { maxTotalBytes: 200_000 });
  t.match(answersOf(await both.hub.ask(request('1'), never)), [
    { outcome: 'error', error: /all nodes together/ },
    { outcome: 'error', error: /all nodes together/ },
  ]);
});
