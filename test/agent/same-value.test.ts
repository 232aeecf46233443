import fc from 'fast-check';
import { isDeepStrictEqual } from 'node:util';
import t from 'tap';
import { sameValue } from '../../agent/same-value.ts';

void t.test('what node:util says of JSON values, of copies and of others', (t) => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (one, other) => {
      return sameValue(one, other) === isDeepStrictEqual(one, other) && sameValue(one, structuredClone(one));
    }),
  );
  t.end();
});

void t.test('near misses', (t) => {
  const differing: readonly (readonly [unknown, unknown])[] = [
    [{ a: undefined }, {}],
    [{}, { a: undefined }],
    [{ a: undefined }, { b: undefined }],
    [[], {}],
    [null, {}],
    [[1, 2], [1]],
    [{ a: [{ b: 1 }] }, { a: [{ b: 2 }] }],
    ['1', 1],
  ];
  for (const [one, other] of differing)
    t.notOk(sameValue(one, other), `${JSON.stringify(one)} ${JSON.stringify(other)}`);
  const record = Object.assign(Object.create(null) as object, { a: 1 });
  t.ok(sameValue(record, { a: 1 }), 'the prototype says nothing');
  t.end();
});
