import t from 'tap';
import { createParseCache, NODE_SUBJECT } from '../../../agent/inspector/parse-cache.ts';
import { treeHost } from '../../fixture/inspector/tree.ts';
import type { CacheKey } from '../../../agent/inspector/parse-cache.ts';

t.test('the same bytes are parsed once, other bytes again', (t) => {
  const cache = createParseCache();
  let parsed = 0;
  const parse = (bytes: Buffer): { readonly text: string } => {
    parsed += 1;
    return { text: bytes.toString() };
  };
  const first = cache.parsed('a', 'status', Buffer.from('one'), parse);
  t.equal(cache.parsed('a', 'status', Buffer.from('one'), parse), first, 'the very object');
  t.equal(parsed, 1);
  t.same(cache.parsed('a', 'status', Buffer.from('two'), parse), { text: 'two' });
  t.same(cache.parsed('a', 'status', Buffer.from('one'), parse), { text: 'one' }, 'only the last is remembered');
  t.equal(parsed, 3);
  cache.parsed('a', 'mountinfo', Buffer.from('one'), parse);
  cache.parsed('b', 'status', Buffer.from('one'), parse);
  t.equal(parsed, 5, 'each place and subject by itself');
  t.end();
});

t.test('what is gone is removed', (t) => {
  const cache = createParseCache();
  let parsed = 0;
  const look = (subject: string): void => void cache.parsed(subject, 'x', Buffer.from('x'), () => (parsed += 1));
  for (const subject of ['a', 'b', 'c']) look(subject);
  cache.delete('a');
  look('a');
  t.equal(parsed, 4);
  cache.retain(new Set(['c']));
  for (const subject of ['a', 'b', 'c']) look(subject);
  t.equal(parsed, 6);
  t.end();
});

t.test('words are equal to what they were made of', (t) => {
  const { intern } = createParseCache();
  for (const text of ['', 'tmpfs', '/proc/sys', 'ü€😀', 'x'.repeat(5000)]) t.equal(intern(text), text);
  t.end();
});

t.test('memoizeFor: joined in a burst, and not after a failure', async (t) => {
  const { memoizeFor } = createParseCache();
  let reads = 0;
  const read = (): Promise<number> => Promise.resolve((reads += 1));
  t.same(await Promise.all([memoizeFor('x', read), memoizeFor('x', read), memoizeFor('y', read)]), [1, 1, 2]);
  await t.rejects(memoizeFor('z', () => Promise.reject(new Error('no'))));
  t.equal(await memoizeFor('z', read), 3);
});

t.test('what is kept goes with its subject, what is about the node stays', (t) => {
  const cache = createParseCache();
  const key: CacheKey<number> = { name: 'number' };
  t.equal(cache.get('a', key), undefined);
  for (const [subject, number] of [
    ['a', 1],
    ['b', 2],
    [NODE_SUBJECT, 3],
  ] as const)
    cache.set(subject, key, number);
  cache.retain(new Set(['b']));
  t.same(
    ['a', 'b', NODE_SUBJECT].map((subject) => cache.get(subject, key)),
    [undefined, 2, 3],
  );
  cache.delete('b');
  t.equal(cache.get('b', key), undefined);
  t.end();
});

t.test('canonical: one object as long as it says the same', (t) => {
  const { canonical } = createParseCache();
  const first = canonical('x', { list: [1, 2] });
  t.equal(canonical('x', { list: [1, 2] }), first);
  t.not(canonical('y', { list: [1, 2] }), first);
  t.same(canonical('x', { list: [2] }), { list: [2] });
  t.end();
});

t.test('switched off: nothing is remembered', async (t) => {
  const cache = createParseCache({ enabled: false });
  const key: CacheKey<number> = { name: 'number' };
  let calls = 0;
  const count = (): number => (calls += 1);
  const read = (): Promise<number> => Promise.resolve(count());
  cache.set('a', key, 1);
  t.equal(cache.get('a', key), undefined);
  for (let time = 0; time < 2; time += 1) {
    cache.parsed('a', 'x', Buffer.from('x'), count);
    await cache.memoizeFor('x', read);
  }
  t.equal(calls, 4);
  const host = treeHost(t, {});
  t.equal(cache.openRound(host), host);
  t.same([await cache.shared(host, 'x', read), await cache.shared(host, 'x', read)], [5, 6]);
  const list = { list: [1] };
  cache.canonical('x', list);
  const other = { list: [1] };
  t.equal(cache.canonical('x', other), other);
  t.equal(cache.intern('text'), 'text');
});
