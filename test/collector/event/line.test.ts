import fc from 'fast-check';
import t from 'tap';
import { toLine } from '../../../collector/event/line.ts';
import { toFrame } from '../../../collector/sink/syslog-frame.ts';
import { event, ocsfOf } from '../sink/events.ts';

/** What must not leave raw, by code points of the Unicode standard: first and last of each range, and what it is. */
const FORBIDDEN: readonly (readonly [first: number, last: number, what: string])[] = [
  [0x00, 0x1f, 'C0'],
  [0x7f, 0x9f, 'DEL and C1'],
  [0xad, 0xad, 'soft hyphen'],
  [0x61c, 0x61c, 'Arabic letter mark'],
  [0x180e, 0x180e, 'Mongolian vowel separator'],
  [0x200b, 0x200f, 'zero-width space and joiners, LRM, RLM'],
  [0x2028, 0x2029, 'line and paragraph separator'],
  [0x202a, 0x202e, 'embeddings and overrides'],
  [0x2060, 0x2064, 'word joiner, invisible operators'],
  [0x2066, 0x2069, 'isolates'],
  [0x206a, 0x206f, 'deprecated format characters'],
  [0xd800, 0xdfff, 'surrogates'],
  [0xfe00, 0xfe0f, 'variation selectors'],
  [0xfeff, 0xfeff, 'byte-order mark'],
  [0xfff9, 0xfffb, 'interlinear annotation'],
  [0xfffe, 0xffff, 'noncharacters'],
  [0x1d173, 0x1d17a, 'musical format characters'],
  [0xe0000, 0xe0fff, 'tags and more variation selectors'],
];

function isForbidden(text: string): boolean {
  return Array.from(text, (character) => character.codePointAt(0) ?? 0).some((code) =>
    FORBIDDEN.some(([first, last]) => code >= first && code <= last),
  );
}

/** Structured data holds the name of the node as people read it: joiners and variation selectors belong to it. */
function withoutJoiners(frame: string): string {
  return frame.replaceAll(/\p{Join_Control}|\p{Variation_Selector}/gu, '');
}

/** The same text everywhere that a node has a say in. */
function shippedOf(text: string): { readonly line: string; readonly frame: string; readonly ocsf: unknown } {
  const evidence = [{ source: text, seen: text, expected: text }];
  const subject = { kind: 'container', id: `x${text}`, name: text } as const;
  const one = event(1, { title: text, reason: text, evidence, subject, nodeName: text });
  const ocsf = ocsfOf(one);
  const frame = toFrame(one, ocsf, { facility: 'local0', maxBytes: 1024 * 1024, procId: '1' });
  return { line: toLine(ocsf), frame: String(frame), ocsf };
}

/** Code points in one text: few, so that no field is shortened. */
const CODES_AT_ONCE = 8;

await t.test('every forbidden code point', async (t) => {
  const escaped: string[] = [];
  for (const [first, last, what] of FORBIDDEN)
    for (let from = first; from <= last; from += CODES_AT_ONCE) {
      const count = Math.min(CODES_AT_ONCE, last - from + 1);
      const text = Array.from({ length: count }, (_, index) => String.fromCodePoint(from + index)).join('b');
      const { line, frame } = shippedOf(`a${text}b`);
      if (isForbidden(line.slice(0, -1)) || isForbidden(withoutJoiners(frame)))
        escaped.push(`${what}: from U+${from.toString(16)}`);
    }
  t.same(escaped, []);
});

await t.test('any text: one line of valid JSON that reads back as the same value', async (t) => {
  const hostile = fc
    .constantFrom(...FORBIDDEN)
    .chain(([first, last]) => fc.integer({ min: first, max: last }))
    .map((code) => String.fromCodePoint(code));
  const text = fc
    .array(fc.oneof(hostile, fc.string({ unit: 'binary', maxLength: 20 })), { maxLength: 20 })
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(text, (text) => {
      const { line, frame, ocsf } = shippedOf(text);
      t.notOk(isForbidden(line.slice(0, -1)), 'line');
      t.notOk(isForbidden(withoutJoiners(frame)), 'frame');
      t.same(JSON.parse(line), JSON.parse(JSON.stringify(ocsf)));
      t.same(JSON.parse(frame.slice(frame.lastIndexOf('] {') + 2)), JSON.parse(line));
    }),
    { numRuns: 200 },
  );
});
