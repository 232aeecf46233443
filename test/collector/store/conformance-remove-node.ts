import type { Test } from 'tap';
import { digestOf } from '../../../posture/digest.ts';
import type { Store } from '../../../collector/store/store.ts';
import { all, commit, commitEvents, commitOne, finding, nodeRow, T0 } from './fleet.ts';

const DAY = 24 * 60 * 60 * 1000;

export async function removes(t: Test, store: Store): Promise<void> {
  t.equal(await store.removeNode('n1', T0), undefined, 'never seen');
  const low = finding({ on: 'a', severity: 'low' });
  const blind = finding({ on: 'b', verdict: 'unknown', reason: 'EACCES' });
  const put = [low, blind, finding({ on: 'c', verdict: 'pass' }), finding({ check: 'daemon.icc', kind: 'node' })];
  await store.putNodes([nodeRow()]);
  await store.putNodes([nodeRow({ id: 'n2', name: 'web-2' })]);
  await commitEvents(store, commit({ sequence: 1, snapshot: true, put }));
  await commitEvents(store, commit({ nodeId: 'n2', sequence: 1, snapshot: true, put: [finding()] }));
  const newest = (await store.outbox(0, 100)).at(-1)?.position ?? 0;
  const others = await store.findings({ nodes: ['n2'], limit: 10 });

  const removed = await store.removeNode('n1', T0 + DAY);
  t.match(removed, { findings: 4, resolved: 3 });
  const made = removed?.events ?? [];
  t.same(
    made.map(({ action, cause, atMs, finding }) => [action, cause, atMs, finding.check, finding.subject.id]),
    [
      ['resolved', 'nodeRemoved', T0 + DAY, 'daemon.icc', 'c1'],
      ['resolved', 'nodeRemoved', T0 + DAY, 'container.privileged', 'a'],
      ['resolved', 'nodeRemoved', T0 + DAY, 'container.privileged', 'b'],
    ],
    'what was open, worst first',
  );
  t.match(made[2]?.finding, { ...blind, nodeId: 'n1', nodeName: 'web-1', firstSeenMs: T0, changedMs: T0 });
  t.equal(made[2]?.previousVerdict, 'unknown');
  t.same(await store.outbox(newest, 100), made, 'sinks get them as all other events');
  t.equal(removed?.newest, made.at(-1)?.position);
  t.match((await store.history({ nodes: ['n1'], limit: 1 })).entries, [{ action: 'resolved', cause: 'nodeRemoved' }]);

  t.equal(await store.replicationState('n1'), undefined, 'as if it had never been seen');
  t.same(
    (await store.nodes()).map(({ id }) => id),
    ['n2'],
  );
  t.same(await store.findings({ limit: 10 }), others, 'another node is not touched');
  t.same(
    (await store.counts()).map(({ nodeId, count }) => [nodeId, count]),
    [['n2', 1]],
  );
  const { points } = await store.trend([T0 + DAY - 60_000, T0 + DAY + 60_000]);
  t.match(points, [
    { failures: { critical: 2, low: 1 }, unknown: 1 },
    { failures: { critical: 1, low: 0 }, unknown: 0 },
  ]);
  t.equal(await store.removeNode('n1', T0), undefined, 'there is no such node any more');
  t.equal((await store.outbox(newest, 100)).length, 3, 'and nothing is resolved twice');
}

export async function removedNodesComeBack(t: Test, store: Store): Promise<void> {
  const put = [finding({ on: 'a' }), finding({ on: 'b' })];
  await store.putNodes([nodeRow()]);
  const [first] = await commitEvents(store, commit({ sequence: 7, snapshot: true, put }));
  await store.removeNode('n1', T0 + DAY);
  const later = { observedAtMs: T0 + 2 * DAY, receivedAtMs: T0 + 2 * DAY };
  t.same(await commitOne(store, commit({ sequence: 8, put: [finding({ on: 'c' })], ...later })), {
    outcome: 'gap',
    committed: 0,
  });
  t.same(await all(store), [], 'a change is not believed without what it changes');
  await store.putNodes([nodeRow({ firstSeenMs: T0 + 2 * DAY, lastSeenMs: T0 + 2 * DAY })]);
  const again = await commitEvents(store, commit({ sequence: 8, snapshot: true, put, ...later }));
  t.same(
    again.map(({ action, previousVerdict, finding }) => [action, previousVerdict, finding.firstSeenMs]),
    [
      ['opened', undefined, T0 + 2 * DAY],
      ['opened', undefined, T0 + 2 * DAY],
    ],
  );
  t.equal(again[0]?.finding.uid, first?.finding.uid, 'the same node, check and subject');
  t.match(await store.replicationState('n1'), {
    epoch: 'e1',
    committedSequence: 8,
    findings: 2,
    digest: digestOf(put),
  });
  t.match(await store.nodes(), [{ id: 'n1', firstSeenMs: T0 + 2 * DAY }], 'a new node');
  t.match(await store.removeNode('n1', T0 + 3 * DAY), { findings: 2, resolved: 2 }, 'and it can be removed again');
}

export async function forgottenHistory(t: Test, store: Store): Promise<void> {
  await store.putNodes([nodeRow()]);
  await store.putNodes([nodeRow({ id: 'quiet', name: 'quiet' })]);
  await commitEvents(store, commit({ sequence: 1, snapshot: true, put: [finding()] }));
  await store.removeNode('n1', T0 + DAY);
  t.match(await store.removeNode('quiet', T0 + DAY), { findings: 0, resolved: 0, events: [], newest: 0 });
  await store.prune([], T0);
  t.same(await store.nodes(), []);
  t.equal(
    (await store.history({ nodes: ['n1'], limit: 10 })).entries.length,
    2,
    'history stays as long as all history',
  );
  await store.prune([], T0 + 2 * DAY);
  t.same((await store.history({ limit: 10 })).entries, []);
  const [event] = await commitEvents(store, commit({ sequence: 2, snapshot: true, put: [finding()] }));
  t.match(event, { action: 'opened', finding: { nodeId: 'n1' } });
  await store.prune([], T0);
  t.equal((await all(store)).length, 1, 'a node that came back is not in the way of anything');
}
