import * as s from '../posture/schema.ts';
import { SEVERITIES, VERDICTS } from '../posture/verdict.ts';
import type { Severity, Verdict } from '../posture/verdict.ts';

/*
 * Parts that several answers of the operator API have. Everything that comes over the network passes the schemas of this
 * folder before it is believed; fields that are not named in them are dropped.
 */

/** One of the five verdicts. */
export const verdict = s.oneOf(VERDICTS);
/** One of the severities. */
export const severity = s.oneOf(SEVERITIES);
/** An entry of a published benchmark. */
export const control = s.object({ benchmark: s.string(), control: s.string() });

/** Failures by severity. */
export const failures = s.object(eachOf<Severity>(SEVERITIES));
/** Findings by verdict, and failures by severity. */
export const counts = s.object({ verdicts: s.object(eachOf<Verdict>(VERDICTS)), failures });
/** See {@link counts}. */
export type Counts = s.Infer<typeof counts>;

/** A number for each name; 0 where there is none. */
function eachOf<K extends string>(names: readonly K[]): Record<K, s.Schema<number>> {
  return Object.fromEntries(names.map((name) => [name, s.withDefault(s.integer(), 0)])) as Record<K, s.Schema<number>>;
}
