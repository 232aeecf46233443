import * as s from '../schema.ts';

/** The time of the last sweep: a check that needs the time takes it from here. */
export const clockSchema = s.object({ nowMs: s.integer('milliseconds since 1970, UTC') }, 'time of the last sweep');
/** See {@link clockSchema}. */
export type ClockFact = s.Infer<typeof clockSchema>;
