import { suggestion } from '../posture/query/nearest.ts';
import { object } from '../posture/schema.ts';
import type { Infer, Schema } from '../posture/schema.ts';

/** A key that may be repeated in a message: it looks like a key of ours, not like content of another file. */
const PLAIN_KEY = /^[A-Za-z][A-Za-z0-9-]{0,63}$/;

/**
 * As `object` of the schema language, but a key that is not a field is an error, with the nearest field as a
 * suggestion: a condition of a policy that is misspelled must not be a condition that is not checked.
 */
export function strictObject<F extends Readonly<Record<string, Schema<unknown>>>>(
  fields: F,
  doc = '',
): Schema<{ readonly [K in keyof F]: Infer<F[K]> }> {
  const schema = object(fields, doc);
  const names = Object.keys(fields);
  return {
    shape: schema.shape,
    parse: (value, at = '') => {
      const problem = unknownKey(value, names, at);
      return problem === undefined ? schema.parse(value, at) : { ok: false, problem };
    },
  };
}

/** What is wrong with the keys of `value`; undefined where each is one of `names`, or where it is no object. */
export function unknownKey(value: unknown, names: readonly string[], at: string): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const key = Object.keys(value).find((one) => !names.includes(one));
  if (key === undefined) return undefined;
  const place = at === '' ? 'value' : at;
  if (!PLAIN_KEY.test(key)) return `${place}: has a key that is not a field; expected ${names.join(', ')}`;
  return `${place}.${key}: unknown field${suggestion(key, names)}`;
}
