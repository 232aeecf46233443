import { list, oneOf, string } from '../../posture/schema.ts';
import type { Infer } from '../../posture/schema.ts';
import type { Objection } from '../reason.ts';
import { strictObject } from '../strict-object.ts';
import { RULE_HEAD, unknown, violation } from './judging.ts';
import type { JudgeInput } from './judging.ts';

/** Refuses images for other processors. */
export const architectureRule = strictObject(
  {
    type: oneOf(['architecture']),
    ...RULE_HEAD,
    allow: list(string('', 32), 'as the image configuration names them: `amd64`, `arm64`', 64),
  },
  'The image is built for one of these processor architectures.',
);
/** See {@link architectureRule}. */
export type ArchitectureRule = Infer<typeof architectureRule>;

/** What the rule has against the image. */
export function judgeArchitecture({ allow }: ArchitectureRule, { evidence }: JudgeInput): readonly Objection[] {
  const expected = `one of ${allow.join(', ')}`;
  const { configuration } = evidence;
  const architecture = configuration.state === 'seen' ? configuration.value.architecture : configuration;
  if (architecture.state !== 'seen')
    return [
      unknown({
        code: 'architecture-unknown',
        actual: architecture.state === 'absent' ? 'the image names no architecture' : architecture.reason,
        expected,
        action: 'Judge the image itself: an archive or a registry has its configuration, an SBOM has none.',
      }),
    ];
  if (allow.includes(architecture.value)) return [];
  return [
    violation({
      code: 'architecture-not-allowed',
      severity: 'medium',
      actual: architecture.value,
      expected,
      action: 'Build or pull the image for an architecture that is allowed.',
    }),
  ];
}
