import * as s from '../posture/schema.ts';
import { failures } from './part.ts';

/** Open findings over time; there are no points from before `knownFromMs`. */
export const trend = s.object({
  fromMs: s.integer(),
  toMs: s.integer(),
  stepMs: s.integer(),
  knownFromMs: s.integer(),
  points: s.list(s.object({ atMs: s.integer(), failures, unknown: s.integer() }), '', 1000),
});
/** See {@link trend}. */
export type Trend = s.Infer<typeof trend>;
