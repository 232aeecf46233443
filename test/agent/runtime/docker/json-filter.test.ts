import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { createJsonFilter } from '../../../../agent/runtime/docker/json-filter.ts';
import type { FieldFilter } from '../../../../agent/runtime/docker/json-filter.ts';
import { SEED } from '../../../fixture/inspector/read.ts';

/** `text` in parts of these sizes, filtered. */
function filtered(text: string, isKept: FieldFilter, size: number, maxStringBytes?: number): string {
  const filter = createJsonFilter(isKept, maxStringBytes);
  const bytes = Buffer.from(text);
  const parts: Buffer[] = [];
  for (let from = 0; from < bytes.length; from += size) parts.push(filter.push(bytes.subarray(from, from + size)));
  return Buffer.concat(parts).toString('utf8');
}

/** What the filter should leave, computed on the parsed value. */
function without(value: unknown, isKept: FieldFilter, depth = 0): unknown {
  if (Array.isArray(value)) return value.map((item) => without(item, isKept, depth));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([name]) => isKept(depth + 1, name));
  return Object.fromEntries(entries.map(([name, item]) => [name, without(item, isKept, depth + 1)]));
}

const names = fc.constantFrom('Id', 'Labels', 'Name', 'Env');
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.string({ unit: 'binary' }),
    fc.integer(),
    fc.constant(null),
    tie('list'),
    tie('object'),
  ),
  list: fc.array(tie('value'), { maxLength: 4 }),
  object: fc.dictionary(names, tie('value'), { maxKeys: 4 }),
}));

t.test('what is left is the value without the fields, however it is cut and spaced', (t) => {
  fc.assert(
    fc.property(
      value,
      fc.subarray(['Id', 'Labels', 'Name', 'Env']),
      fc.integer({ min: 1, max: 40 }),
      fc.nat(2),
      (json, kept, size, space) => {
        const isKept: FieldFilter = (_depth, name) => kept.includes(name);
        assert.deepEqual(
          JSON.parse(filtered(JSON.stringify(json, undefined, space), isKept, size)),
          without(json, isKept),
        );
        const byDepth: FieldFilter = (depth, name) => depth > 1 || kept.includes(name);
        assert.deepEqual(
          JSON.parse(filtered(JSON.stringify(json, undefined, space), byDepth, size)),
          without(json, byDepth),
        );
      },
    ),
    SEED,
  );
  t.end();
});

t.test('long strings are cut between characters', (t) => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.integer({ min: 0, max: 60 }),
      fc.integer({ min: 1, max: 9 }),
      fc.boolean(),
      (text, maxBytes, size, escaped) => {
        const json = JSON.stringify([text, 1, text]);
        // As Go writes it: everything that could be markup is escaped.
        const sent = escaped
          ? json.replaceAll(/[<>&A-Z]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
          : json;
        const [first, number, last] = JSON.parse(filtered(sent, () => true, size, maxBytes)) as [
          string,
          number,
          string,
        ];
        assert.ok(text.startsWith(first) || text.startsWith(first.replace(/[\uD800-\uDFFF]$/, '')));
        assert.ok(Buffer.byteLength(JSON.stringify(first)) <= maxBytes + 14);
        assert.deepEqual([number, last], [1, first]);
        if (Buffer.byteLength(json) <= maxBytes && !escaped) assert.equal(first, text);
      },
    ),
    SEED,
  );
  t.end();
});

t.test('whatever comes in, nothing throws and nothing is added', (t) => {
  const piece = fc.constantFrom('{', '}', '[', ']', '"', ',', ':', '\\', ' ', '\n', 'Id', '1', 'null', '\u0000');
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60 }), fc.integer({ min: 1, max: 9 }), (pieces, size) => {
      const text = pieces.join('');
      return filtered(text, (_depth, name) => name === 'Id', size).length <= text.length + 8;
    }),
    SEED,
  );
  t.end();
});

t.test('texts that follow on one another, escaped names, great depth', (t) => {
  const onlyId: FieldFilter = (_depth, name) => name === 'Id';
  t.equal(filtered('{"Id":1,"L":{"a":"}"}}\n{"L":[1],"Id":2}\n', onlyId, 3), '{"Id":1}\n{"Id":2}\n');
  t.equal(filtered('{"L":1}', onlyId, 100), '{}');
  t.equal(filtered('{"\\u0049d":1,"Id":2}', onlyId, 100), '{"Id":2}', 'no engine writes a name that is used so');
  const deep = `${'['.repeat(1000)}${']'.repeat(1000)}`;
  t.equal(filtered(deep, onlyId, 100), `${'['.repeat(64)}null${']'.repeat(64)}`);
  const label = `"${'k'.repeat(100)}":"v"`;
  t.equal(
    filtered(`{"a":{${label}},"Id":"x"}`, () => true, 7),
    '{"a":{},"Id":"x"}',
    'a long name is dropped',
  );
  t.end();
});
