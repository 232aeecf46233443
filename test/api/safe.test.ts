import fc from 'fast-check';
import t from 'tap';
import { safe, safeJson } from '../../api/safe.ts';

/** Hostile text, and what a person must see. Code points by name, from the Unicode standard and ECMA-48. */
const CASES: readonly (readonly [what: string, text: string, shown: string])[] = [
  ['colour', '\u001b[31mred', String.raw`\x1b[31mred`],
  ['window title (OSC)', '\u001b]0;owned\u0007', String.raw`\x1b]0;owned\x07`],
  ['C1 control sequence introducer', '\u009b31m', String.raw`\x9b31m`],
  ['line feed and carriage return', 'a\nb\rc', String.raw`a\nb\rc`],
  ['tab', 'a\tb', String.raw`a\tb`],
  ['backspace and DEL', 'a\b\u007f', String.raw`a\x08\x7f`],
  ['NUL', 'a\0b', String.raw`a\x00b`],
  ['right-to-left override', 'exe.\u202egpj', String.raw`exe.\u202egpj`],
  ['isolates', '\u2066x\u2069', String.raw`\u2066x\u2069`],
  ['zero width space', 'a\u200bb', String.raw`a\u200bb`],
  ['byte order mark', '\ufeffa', String.raw`\ufeffa`],
  ['line separator', 'a\u2028b', String.raw`a\u2028b`],
  ['tag characters', 'a\u{e0041}', String.raw`a\u{e0041}`],
  ['lone surrogate', 'a\ud800b', String.raw`a\ud800b`],
  ['arabic letter mark', 'a\u061c', String.raw`a\u061c`],
  ['markup is not for this to judge', '<img src=x>', '<img src=x>'],
  ['joiners and variation selectors stay', '👩\u200d💻 ❤\ufe0f', '👩\u200d💻 ❤\ufe0f'],
  ['ordinary text', 'größe 日本 🐳 é', 'größe 日本 🐳 é'],
  ['a backslash stays', String.raw`C:\x`, String.raw`C:\x`],
];

for (const [what, text, shown] of CASES) t.equal(safe(text), shown, what);

// What ECMA-48 and Unicode call controls, and what reorders text, written down again from the standards.
const FORBIDDEN = /[\p{Cc}\p{Bidi_Control}\p{Cs}\u2028\u2029]/u;

void t.test('whatever comes in, nothing comes out that a terminal obeys or that reorders a page', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
      return !FORBIDDEN.test(safe(text));
    }),
  );
  t.end();
});

void t.test('safe JSON reads back as the same value', (t) => {
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: 'binary' }), (value) => {
      const text = safeJson(value);
      return !FORBIDDEN.test(text) && JSON.stringify(JSON.parse(text)) === JSON.stringify(value);
    }),
    { numRuns: 200 },
  );
  const indented = safeJson({ name: 'a\u009bb', list: [1] }, 2);
  t.equal(indented, '{\n  "name": "a\\u009bb",\n  "list": [\n    1\n  ]\n}', 'line feeds of the layout stay');
  t.equal(safeJson({ a: '\u202e' }), '{"a":"\\u202e"}');
  t.equal(safeJson(undefined), 'null');
  t.end();
});
