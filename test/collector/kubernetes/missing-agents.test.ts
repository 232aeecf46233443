import { setImmediate, setTimeout } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { createKubernetesApi } from '../../../kubernetes/api-client.ts';
import { listNodes } from '../../../collector/kubernetes/list-nodes.ts';
import { watchMissingAgents } from '../../../collector/kubernetes/missing-agents.ts';
import { keepNodeRetention } from '../../../collector/node-retention.ts';
import { judgeNodes } from '../../../collector/status/freshness.ts';
import { isFindingEvent } from '../../../collector/store/stored-event.ts';
import { enrollment } from '../../../posture/check/agent/enrollment.ts';
import { judgeClusterNode } from '../../../posture/judge.ts';
import { systemClock } from '../../../service/clock.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import { startCollector } from '../session/collector.ts';
import { delta, hello, on, snapshot } from '../session/messages.ts';
import { all } from '../store/fleet.ts';
import { startApiServer } from '../../kubernetes/api-server.ts';

const PATH = 'GET /api/v1/nodes?limit=250';
const GRACE_MS = 300_000;
/** Longer than the time between two lists, which is a minute ±20 %. */
const ROUND_MS = 73_000;

const uid = (number: number): string => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
const object = (number: number, name: string, labels: object = { 'kubernetes.io/os': 'linux' }) => ({
  metadata: { name, uid: uid(number), labels },
});
const list = (items: readonly object[], next = '') => ({
  body: { kind: 'PartialObjectMetadataList', metadata: { continue: next, resourceVersion: '1' }, items },
});

/** A collector with real sessions, whose cluster is an HTTPS server that answers as the test wants. */
async function start(t: Test) {
  const collector = await startCollector(t);
  const server = await startApiServer(t);
  const api = createKubernetesApi(server.access, 300);
  const clock = createFakeClock();
  const stop = new AbortController();
  const search = watchMissingAgents({
    list: () => listNodes(api, clock),
    server: collector.server,
    store: collector.store,
    graceMs: GRACE_MS,
    clock,
    log: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined },
    signal: stop.signal,
  });
  t.teardown(async () => {
    stop.abort();
    await search.over;
    api.close();
  });
  const settled = async (): Promise<void> => {
    while (clock.waiting() === 0) await setImmediate();
  };
  await settled();
  return {
    ...collector,
    clock,
    responses: server.responses,
    asked: server.asked,
    issues: search.issues,
    stop,
    over: search.over,
    /** Lists again until so much time has passed. */
    pass: async (ms: number): Promise<void> => {
      for (let left = ms; left > 0; left -= ROUND_MS) {
        const before = server.asked.length;
        await clock.advance(Math.min(left, ROUND_MS));
        while (left >= ROUND_MS && server.asked.length === before) await setImmediate();
        await settled();
      }
    },
    stored: async () =>
      (await all(collector.store)).map(({ nodeName, check, verdict, severity }) => ({
        nodeName,
        check,
        verdict,
        severity,
      })),
    events: async () =>
      (await collector.store.outbox(0, 1_000))
        .filter(isFindingEvent)
        .map(
          ({ action, cause, finding }) => `${action} ${finding.nodeName} ${finding.check}${cause ? ` ${cause}` : ''}`,
        ),
  };
}

const MISSING = { check: 'agent.enrollment', verdict: 'fail', severity: 'high' };

t.test('a node without an agent is a finding, until its agent has sent its own', async (t) => {
  const { responses, asked, connect, pass, stored, events, server, item } = await start(t);
  const agent = await connect(uid(1));
  agent.say(hello());
  await agent.hearA('welcome');
  agent.say(snapshot(1, [on('a')]));
  await agent.hearA('ack');
  responses.set(PATH, list([object(1, 'one'), object(2, 'two')], 'next/page'));
  responses.set(`${PATH}&continue=next%2Fpage`, list([object(3, 'three', { 'kubernetes.io/os': 'windows' })]));
  await pass(ROUND_MS);
  t.match(asked.at(-1)?.accept, /PartialObjectMetadataList/, 'spec and status are not asked for');
  t.equal((await stored()).length, 1, 'agents have five minutes to come');
  await pass(GRACE_MS + ROUND_MS);
  t.same(
    (await stored()).filter(({ check }) => check === 'agent.enrollment'),
    [
      { ...MISSING, nodeName: 'two' },
      { ...MISSING, nodeName: 'three', severity: 'low' },
    ],
  );
  const presence = judgeNodes(server.nodes(), { nowMs: Date.now(), heartbeatMs: 30_000, overBudget: new Set() });
  t.same(
    presence.map(({ name, presence }) => [name, presence]),
    [
      ['two', 'neverEnrolled'],
      ['three', 'neverEnrolled'],
      ['web-1', 'connected'],
    ],
  );
  t.same((await events()).slice(-2).sort(), ['opened three agent.enrollment', 'opened two agent.enrollment']);
  const count = (await events()).length;
  await pass(3 * ROUND_MS);
  t.equal((await events()).length, count, 'the same again is no event');

  const second = await connect(uid(2));
  second.say(hello());
  t.equal((await second.hearA('welcome')).resync, true, 'its findings are asked for at once');
  const open = (await stored()).filter(({ check }) => check === 'agent.enrollment');
  t.equal(open.length, 2, 'nothing is resolved before they are there');
  second.say(snapshot(1, [on('b')]));
  await second.hearA('ack');
  await item((each) => each.type === 'finding' && each.event.action === 'resolved');
  await pass(3 * ROUND_MS);
  t.equal((await stored()).filter(({ check }) => check === 'agent.enrollment').length, 1);
  second.say(delta(2, [on('c')]));
  t.match(await second.hearA('ack'), { sequence: 2 }, 'what the collector stored itself is in nobody’s way');
});

t.test('while the nodes cannot be listed nothing is resolved, and the findings say since when', async (t) => {
  const { responses, pass, stored, issues, events } = await start(t);
  responses.set(PATH, list([object(1, 'one'), object(2, 'two')]));
  await pass(GRACE_MS + 2 * ROUND_MS);
  t.equal((await stored()).length, 2);
  for (const fault of [
    { status: 403, body: { kind: 'Status', message: 'nodes is forbidden' } },
    'hang',
    'endless',
    list([{ metadata: { name: 'Bad Name', uid: uid(9) } }]),
  ] as const) {
    responses.set(PATH, fault);
    await pass(ROUND_MS);
    t.match(issues(), [{ code: 'clusterUnreadable', text: /cannot be listed since 20.*Z: / }]);
    t.match(await stored(), [MISSING, MISSING], 'a short failure changes nothing');
    await pass(GRACE_MS + ROUND_MS);
    t.match(await stored(), [{ verdict: 'unknown' }, { verdict: 'unknown' }]);
    const count = (await events()).length;
    responses.set(PATH, 'reset');
    await pass(3 * ROUND_MS);
    t.equal((await events()).length, count, 'another reason is no event');
    responses.set(PATH, list([object(1, 'one'), object(2, 'two')]));
    await pass(ROUND_MS);
    t.match(await stored(), [MISSING, MISSING]);
    t.same(issues(), []);
  }
  t.notMatch((await events()).join(), 'resolved');
  responses.set(PATH, list([object(2, 'two')]));
  await pass(ROUND_MS);
  t.match(await stored(), [{ nodeName: 'two' }]);
  t.equal((await events()).at(-1), 'resolved one agent.enrollment nodeRemoved', 'only one that left the cluster goes');
});

t.test('a Node object that is deleted and created again gets no new grace', async (t) => {
  const { responses, pass, stored } = await start(t);
  let number = 1;
  for (let ms = 0; ms < GRACE_MS + 2 * ROUND_MS; ms += ROUND_MS) {
    responses.set(PATH, list([object(number, 'evil')]));
    number += 1;
    await pass(ROUND_MS);
    responses.set(PATH, list([]));
    await pass(ROUND_MS);
  }
  responses.set(PATH, list([object(number, 'evil')]));
  await pass(ROUND_MS);
  t.match(await stored(), [{ ...MISSING, nodeName: 'evil' }]);
});

t.test('thousands of Node objects: bounded, said, and in nobody’s way', async (t) => {
  const { responses, pass, stored, issues, server, connect, asked } = await start(t);
  // Pages without end, as a server could send that somebody else controls.
  responses.set(
    PATH,
    list(
      Array.from({ length: 250 }, (_, index) => object(index, `fake-${String(index)}`)),
      'more',
    ),
  );
  responses.set(`${PATH}&continue=more`, list([object(300, 'fake-300')], 'more'));
  const before = asked.length;
  await pass(ROUND_MS);
  t.equal(asked.length - before, 40, 'requests');
  t.match(issues(), [{ code: 'clusterUnreadable', text: /more nodes than the collector reads/ }]);
  await pass(GRACE_MS + ROUND_MS);
  t.equal((await stored()).length, 251);
  const agent = await connect(uid(7));
  agent.say(hello());
  await agent.hearA('welcome');
  agent.say(snapshot(1, [on('a')]));
  await agent.hearA('ack');
  const terms = { nowMs: Date.now() + 3_600_000, heartbeatMs: 30_000, overBudget: new Set<string>() };
  t.match(judgeNodes(server.nodes(), terms)[0], { id: uid(7), presence: 'stale' }, 'a silent agent is listed first');
  responses.set(PATH, list([object(7, 'fake-7')], 'more'));
  responses.set(`${PATH}&continue=more`, list([]));
  await pass(ROUND_MS);
  t.equal(server.nodes().length, 1, 'they go with their objects');
});

t.test('node retention leaves them alone, and a session of the node takes precedence', async (t) => {
  const { responses, pass, server, stored, connect } = await start(t);
  responses.set(PATH, list([object(1, 'one')]));
  await pass(GRACE_MS + 2 * ROUND_MS);
  const stop = new AbortController();
  const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
  const { nodes, remove } = server;
  const options = { nodes, remove, retentionMs: 1, intervalMs: 10, clock: systemClock(), log: silent };
  const retention = keepNodeRetention({ ...options, signal: stop.signal });
  await setTimeout(100);
  stop.abort();
  await retention;
  t.match(await stored(), [{ nodeName: 'one' }]);

  const agent = await connect(uid(1));
  agent.say(hello());
  await agent.hearA('welcome');
  agent.say(snapshot(1, [on('a')]));
  await agent.hearA('ack');
  const node = { id: uid(1), name: 'one', operatingSystem: '', missingSinceMs: 0 };
  const finding = judgeClusterNode(enrollment, node);
  await server.putMissing({ id: uid(1), name: 'one', sinceMs: 0, finding });
  agent.close();
  await agent.ended;
  await server.putMissing({ id: uid(1), name: 'one', sinceMs: 0, finding });
  t.match(await stored(), [{ check: 'container.privileged' }], 'findings of an agent are never replaced');
});
