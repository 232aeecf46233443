import { oneOf } from '../../posture/schema.ts';
import type { Infer } from '../../posture/schema.ts';
import { describeDuration, duration } from '../duration.ts';
import type { Objection } from '../reason.ts';
import { strictObject } from '../strict-object.ts';
import { isInFuture, RULE_HEAD, unknown, violation } from './judging.ts';
import type { JudgeInput } from './judging.ts';

/** Refuses images that were built too long ago. */
export const ageRule = strictObject(
  {
    type: oneOf(['age']),
    ...RULE_HEAD,
    maxAge: duration('how long ago the image may have been built, by the time that its configuration names'),
  },
  'The image was built recently.',
);
/** See {@link ageRule}. */
export type AgeRule = Infer<typeof ageRule>;

/** What the rule has against the image. A builder that leaves out the time, or writes one in the future, proves nothing. */
export function judgeAge({ maxAge }: AgeRule, { evidence, now }: JudgeInput): readonly Objection[] {
  const expected = `built at most ${describeDuration(maxAge)} ago`;
  const cannotTell = (actual: string): readonly Objection[] => [
    unknown({
      code: 'image-age-unknown',
      actual,
      expected,
      action: 'Build the image with a tool that records the time of the build.',
    }),
  ];
  const { configuration } = evidence;
  if (configuration.state !== 'seen')
    return cannotTell(configuration.state === 'absent' ? 'there is no image configuration' : configuration.reason);
  const { createdAt } = configuration.value;
  if (createdAt.state !== 'seen')
    return cannotTell(createdAt.state === 'absent' ? 'the image configuration names no time' : createdAt.reason);
  if (isInFuture(createdAt.value, now)) return cannotTell('the image says that it was built in the future');
  const ageMs = Math.max(0, now - createdAt.value);
  if (ageMs <= maxAge) return [];
  return [
    violation({
      code: 'image-too-old',
      severity: 'medium',
      actual: `built ${describeDuration(ageMs)} ago`,
      expected,
      action: 'Build the image again from a current base image.',
    }),
  ];
}
