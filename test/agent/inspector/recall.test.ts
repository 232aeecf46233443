import t from 'tap';
import { createRecall, NODE_ITSELF } from '../../../agent/inspector/recall.ts';
import type { Drawer } from '../../../agent/inspector/recall.ts';

t.test('the same bytes are parsed once, other bytes again', (t) => {
  const recall = createRecall();
  let parsed = 0;
  const parse = (bytes: Buffer): { readonly text: string } => {
    parsed += 1;
    return { text: bytes.toString() };
  };
  const first = recall.parsed('a', 'status', Buffer.from('one'), parse);
  t.equal(recall.parsed('a', 'status', Buffer.from('one'), parse), first, 'the very object');
  t.equal(parsed, 1);
  t.same(recall.parsed('a', 'status', Buffer.from('two'), parse), { text: 'two' });
  t.same(recall.parsed('a', 'status', Buffer.from('one'), parse), { text: 'one' }, 'only the last is remembered');
  t.equal(parsed, 3);
  recall.parsed('a', 'mountinfo', Buffer.from('one'), parse);
  recall.parsed('b', 'status', Buffer.from('one'), parse);
  t.equal(parsed, 5, 'each place and subject by itself');
  t.end();
});

t.test('what is gone is forgotten', (t) => {
  const recall = createRecall();
  let parsed = 0;
  const look = (subject: string): void => void recall.parsed(subject, 'x', Buffer.from('x'), () => (parsed += 1));
  for (const subject of ['a', 'b', 'c']) look(subject);
  recall.forget('a');
  look('a');
  t.equal(parsed, 4);
  recall.keepOnly(new Set(['c']));
  for (const subject of ['a', 'b', 'c']) look(subject);
  t.equal(parsed, 6);
  t.end();
});

t.test('words are equal to what they were made of', (t) => {
  const { word } = createRecall();
  for (const text of ['', 'tmpfs', '/proc/sys', 'ü€😀', 'x'.repeat(5000)]) t.equal(word(text), text);
  t.end();
});

t.test('shortly: joined in a burst, and not after a failure', async (t) => {
  const { shortly } = createRecall();
  let reads = 0;
  const read = (): Promise<number> => Promise.resolve((reads += 1));
  t.same(await Promise.all([shortly('x', read), shortly('x', read), shortly('y', read)]), [1, 1, 2]);
  await t.rejects(shortly('z', () => Promise.reject(new Error('no'))));
  t.equal(await shortly('z', read), 3);
});

t.test('what is kept goes with its subject, what is about the node stays', (t) => {
  const recall = createRecall();
  const drawer: Drawer<number> = { name: 'number' };
  t.equal(recall.kept('a', drawer), undefined);
  for (const [subject, number] of [
    ['a', 1],
    ['b', 2],
    [NODE_ITSELF, 3],
  ] as const)
    recall.keep(subject, drawer, number);
  recall.keepOnly(new Set(['b']));
  t.same(
    ['a', 'b', NODE_ITSELF].map((subject) => recall.kept(subject, drawer)),
    [undefined, 2, 3],
  );
  recall.forget('b');
  t.equal(recall.kept('b', drawer), undefined);
  t.end();
});

t.test('steady: one object as long as it says the same', (t) => {
  const { steady } = createRecall();
  const first = steady('x', { list: [1, 2] });
  t.equal(steady('x', { list: [1, 2] }), first);
  t.not(steady('y', { list: [1, 2] }), first);
  t.same(steady('x', { list: [2] }), { list: [2] });
  t.end();
});
