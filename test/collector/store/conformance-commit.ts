import type { Test } from 'tap';
import { digestOf } from '../../../posture/digest.ts';
import type { Finding } from '../../../posture/finding.ts';
import { isFindingEvent } from '../../../collector/store/stored-event.ts';
import type { Store } from '../../../collector/store/store.ts';
import type { OutboxEvent } from '../../../collector/store/stored-event.ts';
import { packFinding } from '../../../collector/store/row.ts';
import { all, commit, commitEvents, commitOne, finding, nodeRow, T0 } from './fleet.ts';

export async function sequences(t: Test, store: Store): Promise<void> {
  t.equal(await store.replicationState('n1'), undefined, 'never seen');
  t.match(await commitOne(store, commit({ sequence: 7, snapshot: true, put: [finding()] })), { outcome: 'applied' });
  t.match(await commitOne(store, commit({ sequence: 8 })), { outcome: 'applied', events: [] }, 'empty, but counted');
  t.same(await commitOne(store, commit({ sequence: 8, put: [finding({ on: 'x' })] })), { outcome: 'duplicate' });
  t.same(await commitOne(store, commit({ sequence: 7, snapshot: true })), { outcome: 'duplicate' }, 'also a snapshot');
  t.same(await commitOne(store, commit({ sequence: 10, put: [finding({ on: 'x' })] })), {
    outcome: 'gap',
    committed: 8,
  });
  t.equal((await all(store)).length, 1, 'neither changed anything');
  t.match(await commitOne(store, commit({ sequence: 20, snapshot: true, put: [finding()] })), { outcome: 'applied' });
  t.match(
    await store.replicationState('n1'),
    { epoch: 'e1', committedSequence: 20, findings: 1 },
    'a snapshot heals a gap',
  );
}

export async function epochs(t: Test, store: Store): Promise<void> {
  t.same(await commitOne(store, commit({ sequence: 2, put: [finding()] })), { outcome: 'gap', committed: 0 });
  const first = commit({ nodeId: 'new', sequence: 1, put: [finding()] });
  t.match(await commitOne(store, first), { outcome: 'applied' }, 'the first delta of a node that was never seen');
  await commitEvents(store, commit({ sequence: 5, snapshot: true, put: [finding()] }));
  t.same(await commitOne(store, commit({ epoch: 'e2', sequence: 6 })), { outcome: 'gap', committed: 0 });
  t.same(await commitOne(store, commit({ epoch: 'e2', sequence: 1 })), { outcome: 'gap', committed: 0 });
  t.match(await store.replicationState('n1'), { epoch: 'e1', committedSequence: 5 });
  await commitEvents(store, commit({ epoch: 'e2', sequence: 1, snapshot: true, put: [finding()] }));
  t.match(await store.replicationState('n1'), { epoch: 'e2', committedSequence: 1 });
}

export async function lifecycle(t: Test, store: Store): Promise<void> {
  const at = (sequence: number, put: Finding): Promise<readonly OutboxEvent[]> => {
    const time = T0 + sequence * 1000;
    return commitEvents(
      store,
      commit({ sequence, snapshot: sequence === 1, put: [put], observedAtMs: time, receivedAtMs: time }),
    );
  };
  const bad = finding();
  const good = finding({ verdict: 'pass', evidence: [] });
  t.same(await at(1, good), [], 'passing findings are stored silently');
  const [opened, ...none] = await at(2, bad);
  t.same(none, []);
  t.match(opened, { action: 'opened', previousVerdict: 'pass', atMs: T0 + 2000 });
  t.match(opened?.finding, { ...bad, nodeId: 'n1', firstSeenMs: T0 + 1000, changedMs: T0 + 2000 });
  t.same(await at(3, bad), [], 'the same again is no event');
  const [changed] = await at(4, finding({ evidence: [] }));
  t.match(changed, { action: 'changed', previousVerdict: 'fail', finding: { evidence: [], changedMs: T0 + 4000 } });
  const [asked] = await at(5, finding({ verdict: 'manual', reason: 'look' }));
  t.match(asked, { action: 'changed', previousVerdict: 'fail', finding: { verdict: 'manual', reason: 'look' } });
  const [blind] = await at(6, finding({ verdict: 'unknown', reason: 'EACCES' }));
  t.match(blind, { action: 'changed', previousVerdict: 'manual' });
  const [resolved] = await at(7, good);
  t.match(resolved, { action: 'resolved', previousVerdict: 'unknown', finding: { verdict: 'pass' } });
  t.same(await at(8, finding({ verdict: 'notApplicable', reason: 'none' })), [], 'closed to closed');
  const [again] = await at(9, bad);
  t.match(again, { action: 'opened', previousVerdict: 'notApplicable', finding: { firstSeenMs: T0 + 1000 } });
  const made = [opened, changed, asked, blind, resolved, again];
  t.equal(new Set(made.map((event) => event?.uid)).size, 6, 'event uids are unique');
  t.equal(new Set(made.map((event) => event?.finding.uid)).size, 1, 'the uid of the finding stays');
  // printf 'n1\ncontainer.privileged/container/c1' | sha256sum | cut -c1-32
  t.equal(opened?.finding.uid, '0cb3acb61f91ca4d1bf92fb1fbd6ad1f');
  const read = await store.outbox(0, 100);
  t.same(read.filter(isFindingEvent), made, 'read again, an event is what it was');
}

export async function gone(t: Test, store: Store): Promise<void> {
  const bad = finding({ on: 'a', reason: 'why' });
  const good = finding({ on: 'b', verdict: 'pass' });
  await commitEvents(store, commit({ sequence: 1, snapshot: true, put: [bad, good] }));
  const later = { observedAtMs: T0 + 5000, receivedAtMs: T0 + 5000 };
  const made = await commitEvents(
    store,
    commit({ sequence: 2, gone: [bad.id, good.id, 'no.such/container/x', 'junk'], ...later }),
  );
  t.equal(made.length, 1, 'a passing finding goes silently, an unknown one is nothing');
  t.match(made[0], { action: 'resolved', previousVerdict: 'fail', atMs: T0 + 5000 });
  t.match(made[0]?.finding, { ...bad, firstSeenMs: T0, changedMs: T0 });
  t.same(await all(store), []);
  const [back] = await commitEvents(store, commit({ sequence: 3, put: [bad], ...later }));
  t.match(back, { action: 'opened', finding: { firstSeenMs: T0 + 5000 } });
  t.equal(back?.previousVerdict, undefined, 'a new finding');
  t.match(await commitEvents(store, commit({ sequence: 4, put: [finding({ on: 'a' })], gone: [bad.id] })), [
    { action: 'changed' },
  ]);
  t.equal((await all(store)).length, 1, 'gone and put at once: it is there');
}

export async function snapshots(t: Test, store: Store): Promise<void> {
  const [a, b, c] = [finding({ on: 'a' }), finding({ on: 'b' }), finding({ on: 'c' })] as const;
  const quiet = finding({ on: 'q', verdict: 'pass' });
  await commitEvents(store, commit({ sequence: 1, snapshot: true, put: [a, b, quiet] }));
  await commitEvents(store, commit({ nodeId: 'n2', sequence: 1, snapshot: true, put: [a] }));
  t.same(await commitEvents(store, commit({ sequence: 2, snapshot: true, put: [b, quiet, a] })), [], 'the same state');
  const changed = finding({ on: 'a', evidence: [] });
  const made = await commitEvents(store, commit({ epoch: 'e2', sequence: 1, snapshot: true, put: [c, c, changed] }));
  t.same(made.map(({ action, finding }) => `${action} ${finding.subject.id}`).sort(), [
    'changed a',
    'opened c',
    'resolved b',
  ]);
  t.equal((await store.findings({ nodes: ['n2'], limit: 10 })).findings.length, 1, 'another node is not touched');
  t.match(await store.replicationState('n1'), { digest: digestOf([c, changed]), findings: 2 });
  const twice = [finding({ on: 'c', evidence: [] }), c];
  t.same(await commitEvents(store, commit({ epoch: 'e2', sequence: 2, snapshot: true, put: [...twice, changed] })), []);
  t.match(await store.replicationState('n1'), { digest: digestOf([c, changed]) }, 'named twice: the last counts');
  const other = finding({ check: 'acme.custom', on: 'c' });
  await commitEvents(store, commit({ epoch: 'e2', sequence: 3, snapshot: true, put: [c, changed, other] }));
  const last = await commitEvents(store, commit({ epoch: 'e2', sequence: 4, snapshot: true, put: [changed] }));
  t.same(
    last.map(({ action, cause, finding }) => `${action} ${finding.check} ${cause ?? 'gone'}`).sort(),
    ['resolved acme.custom checkRemoved', 'resolved container.privileged gone'],
    'a check without any finding in a snapshot is not a check of the node any more',
  );
  await commitEvents(store, commit({ epoch: 'e2', sequence: 5, snapshot: true }));
  t.match(await store.replicationState('n1'), { digest: 0, findings: 0 });
}

export async function times(t: Test, store: Store): Promise<void> {
  const day = 24 * 60 * 60 * 1000;
  const seen = async (sequence: number, observedAtMs: number): Promise<number | undefined> => {
    const put = [finding({ on: String(sequence) })];
    const made = await commitEvents(
      store,
      commit({ sequence, snapshot: sequence === 1, put, observedAtMs, receivedAtMs: T0 }),
    );
    return made.find(({ action }) => action === 'opened')?.atMs;
  };
  t.equal(await seen(1, T0 - 10 * day), T0 - 10 * day, 'it waited in a spool');
  t.equal(await seen(2, T0 + 3_600_000), T0, 'a clock that is ahead');
  t.equal(await seen(3, 0), T0, 'no clock at all');
  t.equal(await seen(4, -1), T0);
}

export async function batches(t: Test, store: Store): Promise<void> {
  const results = await store.commit([
    commit({ sequence: 1, snapshot: true, put: [finding()] }),
    commit({ nodeId: 'n2', sequence: 3, put: [finding()] }),
    commit({ sequence: 2, put: [finding({ verdict: 'pass' })] }),
    commit({ sequence: 2 }),
    commit({ nodeId: 'n3', sequence: 4, snapshot: true, put: [finding()] }),
  ]);
  t.same(
    results.map(({ outcome }) => outcome),
    ['applied', 'gap', 'applied', 'duplicate', 'applied'],
  );
  const made = results.flatMap((result) => (result.outcome === 'applied' ? result.events : []));
  t.same(
    made.map(({ action, finding }) => `${finding.nodeId} ${action}`),
    ['n1 opened', 'n1 resolved', 'n3 opened'],
  );
  const positions = made.map(({ position }) => position);
  t.same(
    positions,
    [...positions].sort((one, other) => one - other),
  );
  t.equal(new Set(positions).size, 3);
  t.same(await store.commit([]), []);
}

export async function collectorFindings(t: Test, store: Store): Promise<void> {
  const check = 'image.tag-moved';
  const own = finding({ check, kind: 'image', on: 'sha256:aa' });
  const change = (put: readonly Finding[], gone: readonly string[] = [], nodeId = 'n1') => ({
    nodeId,
    put: put.map(packFinding),
    gone,
    atMs: T0,
  });
  const events = async (...changes: ReturnType<typeof change>[]): Promise<readonly string[]> =>
    (await store.putCollectorFindings(changes)).flatMap((stored) =>
      stored.events.map(({ action, finding: { nodeId, verdict } }) => `${action} ${nodeId} ${verdict}`),
    );
  t.same(await events(change([own])), [], 'nothing is stored of a node that nobody knows');
  t.same(await all(store), []);
  await store.putNodes([nodeRow(), nodeRow({ id: 'n2', name: 'web-2' })]);
  t.same(await events(change([own]), change([own], [], 'n2')), ['opened n1 fail', 'opened n2 fail']);
  t.same(await events(change([own])), [], 'the same again is no event');
  t.equal(await store.replicationState('n1'), undefined, 'the node has still to send its first delta');

  const put = [finding({ on: 'a' }), finding({ check: 'image.default-user', kind: 'image', on: 'sha256:aa' })];
  await commitOne(store, commit({ sequence: 1, snapshot: true, put }));
  t.match(await store.replicationState('n1'), { digest: digestOf(put), findings: 2 }, 'the digest is that of the node');
  t.equal(
    (await all(store)).filter(({ check: id }) => id === check).length,
    2,
    'a snapshot of the node does not end it',
  );
  t.equal(await store.verify('n1'), 'sound');
  await commitOne(store, commit({ epoch: 'e2', sequence: 1, snapshot: true }));
  t.match(await store.replicationState('n1'), { digest: 0, findings: 0 });
  t.same(
    (await all(store)).map(({ nodeId, check: id }) => `${nodeId} ${id}`),
    [`n1 ${check}`, `n2 ${check}`],
  );
  t.same(await events(change([{ ...own, verdict: 'pass' }])), ['resolved n1 pass']);
  t.same(await events(change([], [own.id], 'n2')), ['resolved n2 fail']);
  t.same(await events(change([own])), ['opened n1 fail']);
  await t.rejects(store.putCollectorFindings([change([finding()])]), /not a finding of the collector/);
  await t.rejects(store.putCollectorFindings([change([], [finding().id])]), /not a finding of the collector/);
  t.match(await store.removeNode('n1', T0), { resolved: 1 }, 'it goes with its node');
  t.same(await events(change([own])), [], 'and does not come back without it');
}
