import { list, oneOf } from '../../posture/schema.ts';
import type { Infer, Schema } from '../../posture/schema.ts';
import { formatReference } from '../reference.ts';
import { matchesPattern, parseRegistryPattern } from '../registry-pattern.ts';
import type { RegistryPattern } from '../registry-pattern.ts';
import type { Objection } from '../reason.ts';
import { strictObject } from '../strict-object.ts';
import { RULE_HEAD, someOf, unknown, violation } from './judging.ts';
import type { JudgeInput } from './judging.ts';

/** A pattern of repositories; see `registry-pattern.ts`. */
export function registryPattern(doc: string): Schema<RegistryPattern> {
  return {
    shape: { kind: 'string', doc },
    parse: (value, at = '') => {
      if (typeof value !== 'string') return { ok: false, problem: `${at}: expected a pattern of repositories` };
      const parsed = parseRegistryPattern(value);
      return parsed.ok ? parsed : { ok: false, problem: `${at}: ${parsed.reason}` };
    },
  };
}

/** Refuses images from elsewhere. */
export const registryRule = strictObject(
  {
    type: oneOf(['registry']),
    ...RULE_HEAD,
    allow: list(registryPattern(''), 'patterns of repositories, such as `registry.example.com/team/**`', 256),
  },
  'The image comes from one of these registries or repositories.',
);
/** See {@link registryRule}. */
export type RegistryRule = Infer<typeof registryRule>;

/** What the rule has against the image. */
export function judgeRegistry({ allow }: RegistryRule, { reference }: JudgeInput): readonly Objection[] {
  const expected =
    allow.length === 0 ? 'no registry is allowed' : `an image from ${someOf(allow.map(({ text }) => text))}`;
  const cannotTell = (actual: string): readonly Objection[] => [
    unknown({
      code: 'reference-unknown',
      actual,
      expected,
      action: 'Name the image as it will be deployed: --name REFERENCE.',
    }),
  ];
  if (reference.state !== 'seen')
    return cannotTell(reference.state === 'absent' ? 'the image has no reference' : reference.reason);
  if (reference.value.mayBeId && reference.value.registry === 'docker.io')
    return cannotTell('the reference may be the id of an image, which names no registry');
  if (allow.some((pattern) => matchesPattern(pattern, reference.value))) return [];
  return [
    violation({
      code: 'registry-not-allowed',
      actual: formatReference(reference.value),
      expected,
      action: 'Push the image to an approved registry, or add its repository to the policy.',
    }),
  ];
}
