import { array, assert, integer, jsonValue, property } from 'fast-check';
import t from 'tap';
import { jsonText } from '../../../agent/query/json-text.ts';
import type { Json } from '../../../posture/query/json.ts';

const textOf = (value: Json, maxBytes: number): string => {
  const text = jsonText(value, maxBytes);
  return text.ok ? text.bytes.toString() : `✗ ${text.problem}`;
};

await t.test('what fits is whole', async (t) => {
  t.equal(textOf('é"\n', 100), String.raw`"é\"\n"`);
  t.equal(textOf({ a: [], b: {}, c: [1, null] }, 100), '{"a":[],"b":{},"c":[1,null]}');
  t.equal(textOf([], 2), '[]');
  t.equal(textOf([1, 2], 5), '[1,2]');
});

await t.test('a list is cut between rows', async (t) => {
  t.same(jsonText([1, 22, 333], 8), { ok: true, bytes: Buffer.from('[1,22]'), rows: 2, truncated: true });
  t.match(jsonText([1, 22, 333], 10), { ok: true, rows: 3, truncated: false });
  t.equal(textOf(['é'], 5), '✗ the first row alone is larger than 5 bytes: ask for less of it');
  t.equal(textOf(['é'], 6), '["é"]', 'bytes count, not characters');
});

await t.test('anything else is whole or a problem', async (t) => {
  t.equal(textOf({ a: 'xx' }, 10), '{"a":"xx"}');
  t.equal(textOf({ a: 'xx' }, 9), '✗ the answer is larger than 9 bytes: ask for less of it');
});

await t.test('what is written is a bounded beginning of what was given', async (t) => {
  assert(
    property(array(jsonValue(), { maxLength: 20 }), integer({ min: 2, max: 400 }), (value, maxBytes) => {
      const text = jsonText(value as Json, maxBytes);
      if (!text.ok) return;
      t.ok(text.bytes.length <= maxBytes);
      // -0 is 0 in JSON.
      const expected = JSON.parse(JSON.stringify(value.slice(0, text.rows))) as unknown;
      t.strictSame(JSON.parse(text.bytes.toString()), expected);
      t.equal(text.truncated, text.rows < value.length);
    }),
    { numRuns: 200 },
  );
  const long = { list: Array.from({ length: 20_000 }, (_, index) => `row ${String(index)}`) };
  t.strictSame(JSON.parse(textOf(long, 1_000_000)), long, 'in many pieces');
});
