import * as s from '../posture/schema.ts';

/** A field of the facts, as an expression names it. */
export const factField = s.object({ path: s.string(), type: s.string(), description: s.string() });
/** See {@link factField}. */
export type FactField = s.Infer<typeof factField>;

/** All fields. */
export const factList = s.object({ facts: s.list(factField, '', 10_000) });
/** See {@link factList}. */
export type FactList = s.Infer<typeof factList>;
