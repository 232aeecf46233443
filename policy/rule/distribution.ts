import { nullable, oneOf } from '../../posture/schema.ts';
import type { Infer } from '../../posture/schema.ts';
import { isOsPackageType } from '../../vulnerability/package.ts';
import { describeDuration, duration } from '../duration.ts';
import type { Objection } from '../reason.ts';
import { strictObject } from '../strict-object.ts';
import { RULE_HEAD, unknown, violation } from './judging.ts';
import type { JudgeInput } from './judging.ts';

/** Refuses images of distributions without security updates. */
export const distributionRule = strictObject(
  {
    type: oneOf(['distribution']),
    ...RULE_HEAD,
    minSupport: nullable(duration('how long security updates must go on at least')),
  },
  'The distribution of the image gets security updates. An image without a distribution passes.',
);
/** See {@link distributionRule}. */
export type DistributionRule = Infer<typeof distributionRule>;

/** What the rule has against the image. An image without a distribution has none that could end. */
export function judgeDistribution({ minSupport }: DistributionRule, input: JudgeInput): readonly Objection[] {
  const { distribution, inventory } = input.evidence;
  const margin = minSupport ?? 0;
  const expected =
    margin === 0
      ? 'a distribution that gets security updates'
      : `a distribution that gets security updates for ${describeDuration(margin)} more`;
  const cannotTell = (actual: string): readonly Objection[] => [
    unknown({
      code: 'distribution-unknown',
      actual,
      expected,
      action: 'Use a base image whose release the vulnerability database knows, or update the database.',
    }),
  ];
  if (distribution.state === 'unreadable') return cannotTell(distribution.reason);
  if (distribution.state === 'absent')
    // Who hides the file that names the distribution must not pass as an image that has none.
    return inventory.state === 'seen' && inventory.value.packages.some(({ type }) => isOsPackageType(type))
      ? cannotTell('the image has packages of a distribution, but does not name it')
      : inventory.state === 'seen' && inventory.value.gaps.length > 0
        ? cannotTell('the image names no distribution, but not all of it could be read')
        : [];
  const { name, endOfLifeAt } = distribution.value;
  if (endOfLifeAt.state === 'absent') return [];
  if (endOfLifeAt.state === 'unreadable') return cannotTell(`${name}: ${endOfLifeAt.reason}`);
  if (endOfLifeAt.value - margin > input.now) return [];
  const day = new Date(endOfLifeAt.value).toISOString().slice(0, 10);
  const isOver = endOfLifeAt.value <= input.now;
  return [
    violation({
      code: 'distribution-end-of-life',
      about: name,
      actual: `security updates of ${name} ${isOver ? 'ended' : 'end'} on ${day}`,
      expected,
      action: 'Move the image to a release that is supported.',
    }),
  ];
}
