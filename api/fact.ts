import * as s from '../posture/schema.ts';

/** A field of the facts, as an expression names it. */
export const factField = s.object({
  path: s.string('as in an expression; `[]`: an item of a list, `["…"]`: an entry of a map'),
  type: s.string('type of CEL, or the words that it can hold; ` | null` where it can be missing'),
  description: s.string('empty where the name says it all'),
});
/** See {@link factField}. */
export type FactField = s.Infer<typeof factField>;

/** All fields. */
export const factList = s.object({ facts: s.list(factField, '', 10_000) });
