import * as s from '../posture/schema.ts';
import { count, failures, time } from './part.ts';

/** Open findings over time; there are no points from before `knownFromMs`. */
export const trend = s.object({
  fromMs: time('as asked for'),
  toMs: time('as asked for; now, if that was later; otherwise the beginning of its minute'),
  stepMs: count('between two points, in milliseconds'),
  knownFromMs: time('no points exist from before this: nothing was known yet, or it was removed'),
  points: s.list(
    s.object({
      atMs: time('a multiple of `stepMs`; of the last one: `toMs`'),
      failures,
      unknown: count('findings with the verdict unknown'),
    }),
    '',
    1000,
  ),
});
/** See {@link trend}. */
export type Trend = s.Infer<typeof trend>;
