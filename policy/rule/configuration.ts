import { CHECKS } from '../../posture/check/registry.ts';
import { suggestion } from '../../posture/query/nearest.ts';
import { list, oneOf } from '../../posture/schema.ts';
import type { Infer, Schema } from '../../posture/schema.ts';
import type { Objection } from '../reason.ts';
import { strictObject } from '../strict-object.ts';
import { RULE_HEAD, unknown, violation } from './judging.ts';
import type { JudgeInput } from './judging.ts';

/** Checks that judge an image, by id. */
const IMAGE_CHECKS: ReadonlyMap<string, (typeof CHECKS)[number]> = new Map(
  CHECKS.filter(({ judges }) => judges === 'image').map((check) => [check.id, check]),
);

const checkId: Schema<string> = {
  shape: { kind: 'string', doc: '' },
  parse: (value, at = '') => {
    if (typeof value === 'string' && IMAGE_CHECKS.has(value)) return { ok: true, value };
    const near = typeof value === 'string' ? suggestion(value, IMAGE_CHECKS.keys()) : '';
    return { ok: false, problem: `${at}: expected the id of a check of images, such as image.default-user${near}` };
  },
};

/** Refuses images whose configuration fails a check. */
export const configurationRule = strictObject(
  {
    type: oneOf(['configuration']),
    ...RULE_HEAD,
    checks: list(checkId, 'ids of checks of the area `image`; `plimsoll checks` lists them', 64),
  },
  'The image passes these checks of its configuration.',
);
/** See {@link configurationRule}. */
export type ConfigurationRule = Infer<typeof configurationRule>;

/** What the rule has against the image: one objection a check. */
export function judgeConfiguration({ checks }: ConfigurationRule, { evidence }: JudgeInput): readonly Objection[] {
  return checks.flatMap((id) => judgeOne(id, evidence.configuration));
}

function judgeOne(id: string, configuration: JudgeInput['evidence']['configuration']): readonly Objection[] {
  const check = IMAGE_CHECKS.get(id);
  const title = check?.title ?? id;
  const cannotTell = (actual: string): readonly Objection[] => [
    unknown({
      code: 'check-unknown',
      about: id,
      actual: `${id}: ${actual}`,
      expected: title,
      action: 'Judge the image itself: an archive or a registry has its configuration, an SBOM has none.',
    }),
  ];
  if (configuration.state !== 'seen')
    return cannotTell(configuration.state === 'absent' ? 'there is no image configuration' : configuration.reason);
  const answer = configuration.value.checks.get(id);
  if (answer === undefined) return cannotTell('the check was not answered');
  switch (answer.verdict) {
    case 'pass':
    case 'notApplicable':
      return [];
    case 'unknown':
    case 'manual':
      return cannotTell(answer.reason);
    case 'fail':
      return [
        violation({
          code: 'check-failed',
          severity: check === undefined || check.severity === 'info' ? 'low' : check.severity,
          about: id,
          actual: `${id}: ${answer.reason}`,
          expected: title,
          action: check?.remediation ?? 'See plimsoll explain.',
        }),
      ];
  }
}
