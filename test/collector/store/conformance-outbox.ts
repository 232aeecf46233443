import type { Test } from 'tap';
import type { Store } from '../../../collector/store/store.ts';
import { commit, commitEvents, finding, T0 } from './fleet.ts';

export async function outbox(t: Test, store: Store): Promise<void> {
  for (let sequence = 1; sequence <= 6; sequence += 1) {
    const time = T0 + sequence * 1000;
    const put = [finding({ evidence: [{ source: 's', seen: String(sequence), expected: '' }] })];
    await commitEvents(
      store,
      commit({ sequence, snapshot: sequence === 1, put, observedAtMs: time, receivedAtMs: time }),
    );
  }
  const whole = await store.outbox(0, 100);
  const position = (index: number): number => whole[index]?.position ?? -1;
  t.equal(whole.length, 6);
  t.same(await store.outbox(position(1), 2), whole.slice(2, 4));
  t.equal(await store.cursor('ndjson'), 0, 'a new sink');
  await store.advance('ndjson', position(3));
  await store.advance('syslog', position(1));
  t.equal(await store.cursor('ndjson'), position(3));
  await store.prune(['ndjson', 'syslog'], 0);
  t.same(await store.outbox(0, 100), whole.slice(2), 'the slower sink decides');
  t.equal((await store.history({ limit: 100 })).entries.length, 6, 'history stays');
  await store.prune(['ndjson', 'new'], T0 + 100_000);
  t.same(await store.outbox(0, 100), whole.slice(2), 'a new sink has passed nothing, and nothing comes back');
  t.equal((await store.history({ limit: 100 })).entries.length, 4, 'old history that is shipped is gone');
  await store.prune(['ndjson'], T0 + 3500);
  t.same(await store.outbox(0, 100), whole.slice(4));
  t.equal((await store.history({ limit: 100 })).entries.length, 3);
  await store.prune([], T0 + 100_000);
  t.same(await store.outbox(0, 100), [], 'no sink: nothing waits');
  const [next] = await commitEvents(store, commit({ sequence: 7, put: [finding()] }));
  t.ok((next?.position ?? 0) > position(5), 'positions go on');
}

/** Of three events at three times; the oldest goes with the retention. */
export async function historyRange(t: Test, store: Store): Promise<void> {
  t.equal(await store.historyRange(), undefined, 'nothing has happened yet');
  for (const sequence of [1, 2, 3]) {
    const time = T0 + sequence * 1000;
    const put = [finding({ on: String(sequence) })];
    await commitEvents(
      store,
      commit({ sequence, snapshot: sequence === 1, put, observedAtMs: time, receivedAtMs: time }),
    );
  }
  t.same(await store.historyRange(), { oldestMs: T0 + 1000, newestMs: T0 + 3000 });
  await store.prune([], T0 + 1500);
  t.same(await store.historyRange(), { oldestMs: T0 + 2000, newestMs: T0 + 3000 });
}

export async function history(t: Test, store: Store): Promise<void> {
  const put = [finding({ on: 'a' }), finding({ on: 'b', severity: 'low' })];
  await commitEvents(store, commit({ sequence: 1, snapshot: true, put }));
  await commitEvents(store, commit({ nodeId: 'n2', sequence: 1, snapshot: true, put }));
  const later = { observedAtMs: T0 + 1000, receivedAtMs: T0 + 1000 };
  const [last] = await commitEvents(
    store,
    commit({ sequence: 2, put: [finding({ on: 'a', verdict: 'pass' })], ...later }),
  );
  const newest = await store.history({ limit: 10 });
  t.equal(newest.entries.length, 5);
  t.same(newest.entries[0], {
    position: last?.position,
    atMs: T0 + 1000,
    action: 'resolved',
    nodeId: 'n1',
    findingUid: last?.finding.uid,
    check: 'container.privileged',
    subjectKind: 'container',
    subjectName: 'name-of-a',
    verdict: 'pass',
    severity: 'critical',
  });
  const uid = last?.finding.uid ?? '';
  const actions = async (filter: object): Promise<string> =>
    (await store.history({ limit: 10, ...filter })).entries
      .map(({ nodeId, action }) => `${nodeId} ${action}`)
      .join(', ');
  t.equal(await actions({ findingUid: uid }), 'n1 resolved, n1 opened');
  t.equal(await actions({ findingUid: uid, nodes: ['n2'] }), '');
  t.equal(await actions({ findingUid: 'no uid' }), '');
  t.equal(await actions({ nodes: ['n2'] }), 'n2 opened, n2 opened');
  t.equal(await actions({ sinceMs: T0 + 1 }), 'n1 resolved');
  t.equal(
    await actions({ nodes: ['n1'], subject: 'name-of-a' }),
    'n1 resolved, n1 opened',
    'by the name of the subject',
  );
  t.equal(await actions({ nodes: ['n1'], subject: 'a' }), 'n1 resolved, n1 opened', 'by its id');
  t.equal(await actions({ nodes: ['n1'], subject: 'name-of' }), '', 'exactly');
  await t.rejects(store.history({ limit: 1, subject: 'a' }), { code: 'badFilter' });
  const positions: number[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.history(cursor === undefined ? { limit: 2 } : { limit: 2, cursor });
    positions.push(...page.entries.map(({ position }) => position));
    cursor = page.cursor;
  } while (cursor !== undefined);
  t.same(
    positions,
    newest.entries.map(({ position }) => position),
  );
}
