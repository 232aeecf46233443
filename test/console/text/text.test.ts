import fc from 'fast-check';
import t from 'tap';
import { ago, bytes, count, counted, shortId, span } from '../../../console/text/format.ts';
import { clip, safe, safeJson, safeLines } from '../../../console/text/safe.ts';

void t.test('what would change how a page reads becomes a visible escape', async (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ['plain ünïcode 漢字', 'plain ünïcode 漢字'],
    ['<img src=x>', '<img src=x>'],
    ['\u001b[31m', '\\x1b[31m'],
    ['a\u0000b\u007f\u009f', 'a\\x00b\\x7f\\x9f'],
    ['a\nb\tc\r', 'a\\nb\\tc\\r'],
    ['invoice\u202egnp.exe', 'invoice\\u202egnp.exe'],
    ['\u2066x\u2069\u061c', '\\u2066x\\u2069\\u061c'],
    ['a\u200bb\ufeff', 'a\\u200bb\\ufeff'],
    ['\u{e0041}', '\\u{e0041}'],
    ['\ud800', '\\ud800'],
    ['\u2028\u2029', '\\u2028\\u2029'],
    ['👩\u200d💻 ❤\ufe0f', '👩\u200d💻 ❤\ufe0f'],
  ];
  for (const [given, expected] of cases) t.equal(safe(given), expected);
  t.equal(safeLines('a\r\nb\u001b\n\tc'), 'a\nb\\x1b\n  c');
});

void t.test('JSON reads back as the same value, and holds nothing unsafe', async (t) => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = safeJson(value, 2);
      t.strictSame(JSON.parse(text), JSON.parse(JSON.stringify(value)));
      t.notMatch(text, /(?!\n)[\p{Cc}\u200b\u202a-\u202e\u2066-\u2069]/u);
    }),
  );
  t.equal(safeJson({ a: '\u202e' }), '{"a":"\\u202e"}');
  t.equal(safeJson(undefined), 'null');
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
