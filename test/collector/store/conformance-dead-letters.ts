import type { Test } from 'tap';
import type { Store } from '../../../collector/store/store.ts';
import type { StoredEvent } from '../../../collector/store/stored-event.ts';
import { commit, commitEvents, finding, T0 } from './fleet.ts';

export async function deadLetters(t: Test, store: Store): Promise<void> {
  const { deadLetters: letters } = store;
  const put = ['a', 'b', 'c'].map((on) => finding({ on }));
  const [a, b, c] = await commitEvents(store, commit({ sequence: 1, snapshot: true, put }));
  if (a === undefined || b === undefined || c === undefined) throw new Error('three events');
  const reason = 'x'.repeat(5000);
  const reject = (sink: string, events: readonly StoredEvent[], atMs = T0) =>
    letters.add({ sink, events, reason, atMs });
  t.equal(await reject('one', [b, a]), 0);
  await reject('other', [c], T0 + 1000);
  t.same(Object.fromEntries(await letters.counts()), { one: 2, other: 1 });
  const { deadLetters: found } = await letters.list({ limit: 10 });
  t.match(found, [
    { id: 3, sink: 'other', event: c, attempts: 1, rejectedMs: T0 + 1000, isReplaying: false },
    { id: 2, sink: 'one', event: a, reason: 'x'.repeat(500) },
    { id: 1, sink: 'one', event: b },
  ]);
  const first = await letters.list({ sink: 'one', limit: 1 });
  t.match(first.deadLetters, [{ event: a }]);
  t.match(await letters.list({ sink: 'one', limit: 1, ...(first.cursor && { cursor: first.cursor }) }), {
    deadLetters: [{ event: b }],
    cursor: undefined,
  });
  await t.rejects(letters.list({ limit: 0 }), { code: 'badFilter' });

  // Sent again, in the order in which they happened, to their sink only.
  await store.advance('one', c.position);
  await store.advance('other', c.position);
  t.same(await letters.replay({ sink: 'one' }, ['other']), { replayed: 0, newest: c.position }, 'its sink is off');
  t.same(await letters.replay({ sink: 'one' }, ['one']), { replayed: 2, newest: c.position + 2 });
  t.match(await letters.replay({}, ['one']), { replayed: 0 }, 'they are on their way already');
  t.same(await store.outbox(c.position, 10, 'one'), [
    { ...a, position: c.position + 1, isReplay: true },
    { ...b, position: c.position + 2, isReplay: true },
  ]);
  t.same(await store.outbox(c.position, 10, 'other'), []);
  t.equal((await store.outbox(c.position, 10)).length, 2, 'who reads everything sees no gap');
  const [next] = await commitEvents(
    store,
    commit({ sequence: 2, put: [finding({ check: 'container.capabilities', on: 'd' })] }),
  );
  t.equal(next?.position, c.position + 3);
  t.match(await letters.find(2), { isReplaying: true });

  // One is accepted, the other rejected again.
  await reject('one', [{ ...b, isReplay: true }], T0 + 2000);
  await store.advance('one', c.position + 2);
  t.equal(await letters.find(2), undefined, 'delivered');
  t.match(await letters.find(1), { attempts: 2, rejectedMs: T0 + 2000, isReplaying: false });
  await store.prune(['one', 'other'], 0);
  t.equal((await store.outbox(c.position, 10)).length, 2, 'events stay until every sink has passed them');
  await store.advance('other', c.position + 3);
  await store.advance('one', c.position + 3);
  await store.prune(['one', 'other'], 0);
  t.same(await store.outbox(0, 10), []);
  t.same(
    (await letters.list({ limit: 10 })).deadLetters.map(({ id }) => id),
    [3, 1],
    'dead letters stay',
  );

  t.equal(await letters.purge({ beforeMs: T0 + 1500 }), 1);
  t.equal(await letters.purge({ ids: [3, 99], sink: 'one' }), 0);
  t.equal(await letters.purge({ ids: [1, 99], sink: 'one' }), 1);
  t.same([...(await letters.counts())], []);
}

export async function fullDeadLetters(t: Test, store: Store): Promise<void> {
  const [event] = await commitEvents(store, commit({ sequence: 1, snapshot: true, put: [finding()] }));
  if (event === undefined) throw new Error('no event');
  const events = (from: number, count: number) =>
    Array.from({ length: count }, (_, index) => ({ ...event, uid: `u${String(from + index)}` }));
  const { add, counts, list, purge } = store.deadLetters;
  await add({ sink: 'quiet', events: [event], reason: '', atMs: T0 });
  t.equal(await add({ sink: 'flood', events: events(0, 10_000), reason: '', atMs: T0 }), 0);
  t.equal(await add({ sink: 'flood', events: events(10_000, 500), reason: '', atMs: T0 }), 500);
  t.same(Object.fromEntries(await counts()), { flood: 10_000, quiet: 1 });
  const large = { ...event, finding: { ...event.finding, title: 'x'.repeat(40 * 1024 ** 2) } };
  const huge = [large, { ...large, uid: 'second' }];
  t.equal(await add({ sink: 'flood', events: huge, reason: '', atMs: T0 }), 10_001, '64 MiB');
  t.match(await list({ limit: 1 }), { deadLetters: [{ event: { uid: 'second' } }], cursor: /./ });

  // A node whose events are rejected displaces its own, by their number and by their size.
  await purge({});
  const put = ['a', 'b', 'c'].map((on) => finding({ on }));
  const others = await commitEvents(store, commit({ nodeId: 'n2', sequence: 1, snapshot: true, put }));
  await add({ sink: 'flood', events: others, reason: '', atMs: T0 });
  const ofOthers = async () =>
    (await list({ limit: 1000 })).deadLetters.filter(({ event: { uid } }) => others.some((other) => other.uid === uid));
  t.equal(await add({ sink: 'flood', events: events(0, 10_500), reason: '', atMs: T0 }), 503);
  t.same(Object.fromEntries(await counts()), { flood: 10_000 });
  t.equal(await add({ sink: 'flood', events: huge, reason: '', atMs: T0 }), 9_998);
  t.equal((await ofOthers()).length, 3);
}
