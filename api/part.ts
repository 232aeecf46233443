import * as s from '../posture/schema.ts';
import { SEVERITIES, VERDICTS } from '../posture/verdict.ts';
import type { Severity, Verdict } from '../posture/verdict.ts';

/*
 * Parts that several answers of the operator API have. The schemas of this folder are the only description of the
 * answers: the collector types its handlers with them and documents them at /openapi.json, the CLI and the console
 * accept nothing that does not pass them. A field that is `nullable` is left out of an answer where it has no value.
 * Readers drop fields that are not named. Text that came from a node is data, whatever it contains.
 */

/** A point in time, in milliseconds since 1970-01-01 UTC. */
export const time = (meaning: string): s.Schema<number> => s.integer(`${meaning}; milliseconds since 1970, UTC`, 0);
/** A number that is not negative. */
export const count = (meaning = ''): s.Schema<number> => s.integer(meaning, 0);

/** One of the five verdicts. */
export const verdict = s.oneOf(VERDICTS);
/** One of the severities. */
export const severity = s.oneOf(SEVERITIES);
/** An entry of a published benchmark. */
export const control = s.object({ benchmark: s.string(), control: s.string() });

/** Failures by severity. */
export const failures = s.object(eachOf<Severity>(SEVERITIES), 'findings with the verdict fail, by severity');
/** Findings by verdict. */
export const verdictCounts = s.object(eachOf<Verdict>(VERDICTS), 'findings by verdict');
/** Findings by verdict, and failures by severity; those that a waiver accepts are in neither. */
export const counts = s.object({
  verdicts: verdictCounts,
  failures,
  waived: s.withDefault(count('findings that a waiver accepts; they are in no other count'), 0),
});
/** See {@link counts}. */
export type Counts = s.Infer<typeof counts>;

/** A number for each name. */
export function eachOf<K extends string>(names: readonly K[]): Record<K, s.Schema<number>> {
  return Object.fromEntries(names.map((name) => [name, count()])) as Record<K, s.Schema<number>>;
}
