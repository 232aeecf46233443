import t from 'tap';
import { ago, bytes, count, counted, shortId, span } from '../../../api/format.ts';
import { clip, safeLines } from '../../../console/text/long-text.ts';

void t.test('of several lines only the line feeds stay', async (t) => {
  t.equal(safeLines('a\r\nb\u001b\n\tc'), 'a\nb\\x1b\n  c');
});

void t.test('a long text is cut between characters', async (t) => {
  t.equal(clip('abc', 3), undefined);
  t.equal(clip('abcd', 3), 'abc');
  t.equal(clip('ab😀d', 3), 'ab', 'not through a surrogate pair');
});

void t.test('numbers and times as people read them', async (t) => {
  t.strictSame([0, 999, 1000, 12_750, 1_234_567].map(count), ['0', '999', '1,000', '12,750', '1,234,567']);
  t.strictSame(
    [counted(1, 'node'), counted(0, 'node'), counted(2, 'match', 'matches')],
    ['1 node', '0 nodes', '2 matches'],
  );
  t.strictSame([0, 1023, 1024, 1536, 10 * 1024 ** 2, 25_237_848_064].map(bytes), [
    '0 B',
    '1023 B',
    '1 KiB',
    '1.5 KiB',
    '10 MiB',
    '24 GiB',
  ]);
  t.strictSame([-5, 999, 61_000, 3_600_000, 172_800_000].map(span), ['0 s', '0 s', '1 min', '1 h', '2 d']);
  t.strictSame([ago(1000, 2000), ago(9000, 2000), ago(0, 60_000)], ['just now', 'just now', '1 min ago']);
  t.equal(shortId(`sha256:${'ab'.repeat(32)}`), 'abababababab');
});
