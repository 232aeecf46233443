import fc from 'fast-check';
import t from 'tap';
import { collectorStatus } from '../../../api/status.ts';
import { findingEvent, findingPage } from '../../../api/finding.ts';
import { nodeDetail } from '../../../api/node.ts';
import { queryAnswers } from '../../../api/query.ts';
import { toJsonSchema } from '../../../collector/api/json-schema.ts';
import * as s from '../../../posture/schema.ts';
import type { Shape } from '../../../posture/schema.ts';
import { violations } from '../../fixture/json-schema.ts';

/** Values that the shape describes, made without its parser. */
function valuesOf(shape: Shape): fc.Arbitrary<unknown> {
  switch (shape.kind) {
    case 'string':
      return fc.string({
        minLength: shape.minimum ?? 0,
        maxLength: Math.min(shape.maximum ?? 8, 8),
        unit: 'grapheme-ascii',
      });
    case 'integer':
      return fc.integer({ min: shape.minimum ?? -9, max: Math.min(shape.maximum ?? 9, 9) });
    case 'number':
      return fc.double({ noNaN: true, noDefaultInfinity: true });
    case 'boolean':
      return fc.boolean();
    case 'unknown':
      return fc.jsonValue({ maxDepth: 1 });
    case 'oneOf':
      return fc.constantFrom(...shape.values);
    case 'list':
      return fc.array(valuesOf(shape.item), { maxLength: 2 });
    case 'record':
      return fc.dictionary(fc.string(), valuesOf(shape.item), { maxKeys: 2 });
    case 'nullable':
    case 'observed':
      return valuesOf(shape.item);
    case 'union':
      return fc.oneof(...shape.items.map(valuesOf));
    case 'object': {
      const fields = Object.entries(shape.fields);
      const requiredKeys = fields.filter(([, { kind, preset }]) => kind !== 'nullable' && preset === undefined);
      return fc.record(Object.fromEntries(fields.map(([name, field]) => [name, valuesOf(field)])), {
        requiredKeys: requiredKeys.map(([name]) => name),
      });
    }
  }
}

const REQUEST = s.object({
  word: s.string('', 4),
  number: s.withDefault(s.integer('', 1, 5), 3),
  state: s.oneOf(['on', 'off']),
  either: s.union([s.object({ code: s.string() }), s.object({ token: s.integer('', 0) })]),
});

const SCHEMAS = { collectorStatus, findingEvent, findingPage, nodeDetail, queryAnswers, REQUEST };

for (const [name, schema] of Object.entries(SCHEMAS)) {
  const json = toJsonSchema(schema.shape, new Map());
  void t.test(`${name}: what the parser accepts is what the document says`, async (t) => {
    fc.assert(
      fc.property(valuesOf(schema.shape), (value) => {
        t.strictSame(violations(json, value), []);
        t.equal(schema.parse(value).ok, true);
      }),
      { numRuns: 50 },
    );
    // One value somewhere replaced by one of another type: both must see it, or both must not.
    fc.assert(
      fc.property(valuesOf(schema.shape), fc.nat(), fc.constantFrom('', -1, 10, true, [], {}), (value, at, other) => {
        const changed = replaceLeaf(value, at, other);
        // A reader accepts words that a newer collector may add; the document lists those of this one.
        const wrong = violations(json, changed).filter((line) => !/\/(code|judges): none of/.test(line));
        t.equal(schema.parse(changed).ok, wrong.length === 0, JSON.stringify(changed));
      }),
      { numRuns: 200 },
    );
  });
}

void t.test('names become references, limits and presets are documented', async (t) => {
  const named = s.object({ id: s.string() });
  const whole = s.object({
    items: s.list(named, 'all'),
    extra: s.nullable(named),
    many: s.withDefault(s.integer('how many', 1, 10), 5),
  });
  t.strictSame(toJsonSchema(whole.shape, new Map([[named.shape, 'Named']])), {
    type: 'object',
    properties: {
      items: { type: 'array', items: { $ref: '#/components/schemas/Named' }, description: 'all' },
      extra: { $ref: '#/components/schemas/Named' },
      many: { type: 'integer', minimum: 1, maximum: 10, description: 'how many', default: 5 },
    },
    required: ['items'],
    additionalProperties: false,
  });
});

/** `value` with its leaf number `at` (modulo their number) replaced. */
function replaceLeaf(value: unknown, at: number, other: unknown): unknown {
  let leaves = 0;
  JSON.stringify(value, (_key, one: unknown) => ((leaves += isLeaf(one) ? 1 : 0), one));
  let index = 0;
  const wanted = leaves === 0 ? 0 : at % leaves;
  return JSON.parse(JSON.stringify(value, (_key, one: unknown) => (isLeaf(one) && index++ === wanted ? other : one)));
}

function isLeaf(value: unknown): boolean {
  return typeof value !== 'object' || value === null;
}
