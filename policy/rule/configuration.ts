import { CHECKS } from '../../posture/check/registry.ts';
import { suggestion } from '../../posture/query/nearest.ts';
import { boolean, list, nullable, oneOf, withDefault } from '../../posture/schema.ts';
import type { Infer, Schema } from '../../posture/schema.ts';
import type { InventoryGap } from '../../vulnerability/package.ts';
import { globPattern, matchesGlob } from '../glob.ts';
import type { Objection } from '../reason.ts';
import { strictObject } from '../strict-object.ts';
import { RULE_HEAD, someOf, unknown, violation } from './judging.ts';
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

/** Refuses images by checks of their configuration, secrets in their environment, and setuid or setgid files. */
export const configurationRule = strictObject(
  {
    type: oneOf(['configuration']),
    ...RULE_HEAD,
    checks: withDefault(list(checkId, 'ids of checks of the area `image`; `plimsoll checks` lists them', 64), []),
    forbidEnvironmentSecrets: withDefault(
      boolean(
        'refuse variables of the environment whose value is a secret by its name or form; only the name is shown',
      ),
      false,
    ),
    allowSetuid: nullable(
      list(
        globPattern(''),
        'paths of the only files that may be setuid or setgid, such as `/usr/bin/su`; `*` and `?` are wildcards; `[]`: none may. Default: files are not looked at',
        256,
      ),
    ),
  },
  'The image passes these checks of its configuration, its environment holds no secret, and only these files are setuid or setgid.',
);
/** See {@link configurationRule}. */
export type ConfigurationRule = Infer<typeof configurationRule>;

/** What the rule has against the image: one objection a check, variable and file, and one for files that were not seen. */
export function judgeConfiguration(rule: ConfigurationRule, input: JudgeInput): readonly Objection[] {
  const { checks, allowSetuid, forbidEnvironmentSecrets } = rule;
  return [
    ...checks.flatMap((id) => judgeOne(id, input.evidence.configuration)),
    ...(forbidEnvironmentSecrets ? judgeEnvironment(input.evidence.configuration) : []),
    ...(allowSetuid === null ? [] : judgeSetuid(allowSetuid, input)),
  ];
}

function judgeEnvironment(configuration: JudgeInput['evidence']['configuration']): readonly Objection[] {
  const expected = 'no secret in the environment of the image';
  const secrets = configuration.state === 'seen' ? configuration.value.environmentSecrets : configuration;
  if (secrets.state === 'seen')
    return secrets.value.map((name) =>
      violation({
        code: 'environment-secret',
        about: name,
        actual: `the variable ${name} holds a secret`,
        expected,
        action:
          'Pass the secret to the container at run time, build without ENV for it, and change it: who can pull the image can read it.',
      }),
    );
  return [
    unknown({
      code: 'environment-unknown',
      actual: secrets.state === 'absent' ? 'there is no image configuration' : secrets.reason,
      expected,
      action: 'Judge the image itself: an archive or a registry has its configuration, an SBOM has none.',
    }),
  ];
}

function judgeSetuid(allowed: readonly string[], { evidence, accept }: JudgeInput): readonly Objection[] {
  const expected = allowed.length === 0 ? 'no setuid or setgid files' : `setuid or setgid only: ${someOf(allowed)}`;
  const cannotTell = (actual: string): Objection =>
    unknown({
      code: 'setuid-unknown',
      actual,
      expected,
      action: 'Judge the image itself and repair what could not be read, or list the paths in spec.accept.gaps.',
    });
  const { inventory } = evidence;
  if (inventory.state === 'absent') return [cannotTell('the files of the image were not looked at')];
  if (inventory.state === 'unreadable') return [cannotTell(inventory.reason)];
  const { setuid } = inventory.value;
  if (setuid === undefined) return [cannotTell('it is not known which files are setuid or setgid')];
  const found = setuid.files
    .filter(({ path }) => !allowed.some((pattern) => matchesGlob(pattern, path)))
    .map(({ path, mode }) =>
      violation({
        code: 'setuid-file',
        severity: 'medium',
        about: path,
        actual: `${path} has mode ${mode.toString(8).padStart(4, '0')}`,
        expected,
        action: 'Remove the permission in the build (RUN chmod a-s PATH) or the file, or list its path in allowSetuid.',
      }),
    );
  const gaps = setuid.gaps.filter(({ path }) => !accept.gaps.some((pattern) => matchesGlob(pattern, path)));
  return gaps.length === 0 ? found : [...found, cannotTell(`could not be read: ${someOf(gaps.map(describeGap))}`)];
}

function describeGap({ path, reason }: InventoryGap): string {
  return `${path} (${reason})`;
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
