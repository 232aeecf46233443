import fc from 'fast-check';
import t from 'tap';
import { displayWidth, fit, pad, wrap, wrapHard } from '../../../cli/render/width.ts';

/** Cells by East Asian Width (UAX #11: W and F take two) and general category (Mn and Cf take none). */
const WIDTHS: readonly (readonly [text: string, cells: number])[] = [
  ['', 0],
  ['abc', 3],
  ['größe', 5],
  ['日本', 4],
  ['한국', 4],
  ['あア', 4],
  ['Ａ', 2],
  ['ｱ', 1],
  ['🐳', 2],
  ['✅', 2],
  ['𠮷', 2],
  ['€·…─', 4],
  ['e\u0301', 1],
  ['שלום', 4],
];

for (const [text, cells] of WIDTHS)
  t.equal(displayWidth(text), cells, `${JSON.stringify(text)} takes ${String(cells)}`);

t.equal(fit('shop-worker', 11), 'shop-worker', 'what fits stays');
t.equal(fit('shop-worker', 8), 'shop-wo…', 'what does not is cut, and says so');
t.equal(fit('日本語テキスト', 7), '日本語…', 'a wide character is not cut in half');
t.equal(fit('日本語', 4), '日…', 'one cell stays empty where a wide character does not fit');
t.equal(fit('one two', 5), 'one…', 'no space before the sign');
t.equal(fit('abc', 1), '…');
t.equal(fit('abc', 0), '');
t.equal(pad('日', 4), '日  ');
t.equal(pad('7', 3, 'right'), '  7');
t.strictSame(wrap('to be or not to be', 9), ['to be or', 'not to be']);
t.strictSame(wrap('see https://example.org/a/long/path now', 12), ['see', 'https://example.org/a/long/path', 'now']);
t.strictSame(wrap('   ', 10), []);

void t.test('hard wrapping keeps every line within its width and loses nothing but spaces', (t) => {
  t.strictSame(wrapHard('a bb ccc', 4), ['a bb', 'ccc']);
  t.strictSame(wrapHard('abcdefghij kl', 4), ['abcd', 'efgh', 'ij', 'kl']);
  t.strictSame(wrapHard('漢字漢字', 3), ['漢', '字', '漢', '字']);
  t.strictSame(wrapHard('漢', 1), ['漢'], 'at least one character, so that it ends');
  t.strictSame(wrapHard('', 4), []);
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), fc.integer({ min: 2, max: 90 }), (text, width) => {
      const lines = wrapHard(text, width);
      return (
        lines.every((line) => displayWidth(line) <= width) &&
        lines.join('').replaceAll(/\s/g, '') === text.replaceAll(/\s/g, '')
      );
    }),
    { seed: 20261125, numRuns: 300 },
  );
  t.end();
});
