import { oneOf } from '../../posture/schema.ts';
import type { Infer } from '../../posture/schema.ts';
import { describeDuration, duration } from '../duration.ts';
import type { Objection } from '../reason.ts';
import { strictObject } from '../strict-object.ts';
import { isInFuture, RULE_HEAD, unknown } from './judging.ts';
import type { JudgeInput } from './judging.ts';

/** Demands a recent vulnerability database. */
export const databaseRule = strictObject(
  {
    type: oneOf(['database']),
    ...RULE_HEAD,
    maxAge: duration('how long ago the vulnerability database may have been built'),
  },
  'The vulnerability database is recent. An older one is no reason to refuse an image, but nothing can be told from it.',
);
/** See {@link databaseRule}. */
export type DatabaseRule = Infer<typeof databaseRule>;

const UPDATE =
  'Build it from OSV exports, plimsoll vulndb build --from DIR, or get one, plimsoll vulndb update --from SOURCE.';

/** What the rule has against the image: an old database is not the fault of an image, so it is `unknown`. */
export function judgeDatabase({ maxAge }: DatabaseRule, { evidence, now }: JudgeInput): readonly Objection[] {
  const expected = `a vulnerability database that was built at most ${describeDuration(maxAge)} ago`;
  const missing = databaseProblem(evidence.database, now);
  if (missing !== undefined) return [databaseUnknown(missing, expected)];
  if (evidence.database.state !== 'seen') return [];
  const ageMs = Math.max(0, now - evidence.database.value.builtAt);
  if (ageMs <= maxAge) return [];
  return [
    unknown({
      code: 'database-too-old',
      actual: `the vulnerability database was built ${describeDuration(ageMs)} ago`,
      expected,
      action: UPDATE,
    }),
  ];
}

/** Why the database cannot be used, whatever its age; undefined where it can be used. */
export function databaseProblem(database: JudgeInput['evidence']['database'], now: number): string | undefined {
  if (database.state === 'absent') return 'there is no vulnerability database';
  if (database.state === 'unreadable') return `the vulnerability database cannot be used: ${database.reason}`;
  return isInFuture(database.value.builtAt, now)
    ? 'the vulnerability database says that it was built in the future'
    : undefined;
}

/** The objection of every rule that needs the database. */
export function databaseUnknown(actual: string, expected: string): Objection {
  return unknown({
    code: 'database-unknown',
    actual,
    expected,
    action: `Name a vulnerability database: --vulndb FILE. ${UPDATE}`,
  });
}
