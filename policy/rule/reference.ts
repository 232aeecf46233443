import { boolean, list, oneOf, withDefault } from '../../posture/schema.ts';
import type { Infer } from '../../posture/schema.ts';
import { globPattern, matchesGlob } from '../glob.ts';
import { formatReference } from '../reference.ts';
import type { Objection } from '../reason.ts';
import { strictObject } from '../strict-object.ts';
import { RULE_HEAD, someOf, unknown, violation } from './judging.ts';
import type { JudgeInput } from './judging.ts';

/** Refuses references that can change their meaning. */
export const referenceRule = strictObject(
  {
    type: oneOf(['reference']),
    ...RULE_HEAD,
    requireDigest: withDefault(boolean('whether the reference must name a digest (`app@sha256:…`)'), false),
    forbidTags: withDefault(list(globPattern(''), 'tags that are refused; `*` and `?` are wildcards', 64), []),
  },
  'The reference of the image always means the same image. Without a tag and a digest the tag is `latest`.',
);
/** See {@link referenceRule}. */
export type ReferenceRule = Infer<typeof referenceRule>;

/** What the rule has against the image. Where a digest is named, the tag has no effect and is not judged. */
export function judgeReference(rule: ReferenceRule, { reference }: JudgeInput): readonly Objection[] {
  const { requireDigest, forbidTags } = rule;
  const expected = requireDigest ? 'a reference with a digest' : `a reference without the tags ${someOf(forbidTags)}`;
  const action = 'Deploy the image by its digest: NAME@sha256:….';
  if (reference.state !== 'seen')
    return [
      unknown({
        code: 'reference-unknown',
        actual: reference.state === 'absent' ? 'the image has no reference' : reference.reason,
        expected,
        action: 'Name the image as it will be deployed: --name REFERENCE.',
      }),
    ];
  const { digest, tag } = reference.value;
  if (digest !== undefined) return [];
  const objections: Objection[] = [];
  const actual = formatReference(reference.value);
  if (requireDigest)
    objections.push(violation({ code: 'digest-missing', severity: 'medium', actual, expected, action }));
  const isForbidden = tag !== undefined && forbidTags.some((pattern) => matchesGlob(pattern, tag));
  if (isForbidden)
    objections.push(
      violation({
        code: 'tag-not-allowed',
        severity: 'medium',
        actual,
        expected: `a reference without the tags ${someOf(forbidTags)}`,
        action,
      }),
    );
  return objections;
}
