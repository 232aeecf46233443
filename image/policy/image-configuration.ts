import { absent, seen, unreadable } from '../../posture/observed.ts';
import type { Observed } from '../../posture/observed.ts';
import type { ImageCheck } from '../../posture/check/check.ts';
import { CHECKS } from '../../posture/check/registry.ts';
import type { Facts } from '../../posture/fact/facts.ts';
import type { ImageFact, SetuidFilesFact } from '../../posture/fact/image.ts';
import { secretVariables } from '../../posture/redaction/secret-variables.ts';
import { redactBuildStep, redactWords } from '../../posture/redaction/redact.ts';
import { boolean, list, nullable, object, string, withDefault } from '../../posture/schema.ts';
import type { Infer } from '../../posture/schema.ts';
import { parseStrictJson } from '../../policy/strict-json.ts';
import type { CheckAnswer, ConfigurationEvidence } from '../../policy/evidence.ts';

const MAX_STEPS = 1024;
const MAX_STEP_LENGTH = 8192;
const MAX_VARIABLES = 4096;
/** `MAX_ARG_STRLEN` of Linux: a longer variable cannot be given to a program. */
const MAX_VARIABLE_LENGTH = 128 * 1024;

/**
 * What is read of an image configuration (OCI image specification, config.md; Docker writes the same with
 * `Healthcheck`). Fields may be null.
 */
const schema = object({
  created: nullable(string('', 64)),
  architecture: nullable(string('', 64)),
  config: nullable(
    object({
      User: withDefault(string('', 256), ''),
      Env: nullable(list(string('', MAX_VARIABLE_LENGTH), '', MAX_VARIABLES)),
      Healthcheck: nullable(object({ Test: withDefault(list(string('', 64 * 1024), '', 64), []) })),
    }),
  ),
  history: nullable(
    list(
      object({
        created_by: withDefault(string('', 64 * 1024), ''),
        empty_layer: withDefault(boolean(), false),
      }),
      '',
      MAX_STEPS,
    ),
  ),
});

const SOURCE = 'image configuration';
const ENVIRONMENT_SOURCE = `${SOURCE} Env`;

/** The image whose configuration it is. */
export interface ConfiguredImage {
  /** `sha256:…` of the configuration. */
  readonly id: string;
  readonly tags: readonly string[];
  /** Its setuid and setgid files. */
  readonly setuidFiles: Observed<SetuidFilesFact>;
}

/**
 * What an image configuration says, with the answers of all image checks. A configuration that cannot be parsed is
 * unreadable as a whole. Values of the environment and secrets in build steps are not kept.
 */
export function readImageConfiguration(bytes: Uint8Array, image: ConfiguredImage): Observed<ConfigurationEvidence> {
  const json = parseStrictJson(bytes);
  if (!json.ok) return unreadable(SOURCE, `the image configuration is refused: ${json.problem}`);
  if (hasOtherCase(json.value)) return unreadable(SOURCE, 'the image configuration has a field in other case');
  const parsed = schema.parse(json.value);
  if (!parsed.ok) return unreadable(SOURCE, `the image configuration is malformed: ${parsed.problem}`);
  const { created, architecture } = parsed.value;
  return seen(
    {
      createdAt: timeOf(created),
      architecture: architecture === null || architecture === '' ? absent(SOURCE) : seen(architecture, SOURCE),
      environmentSecrets: secretVariables(parsed.value.config?.Env ?? [], ENVIRONMENT_SOURCE),
      checks: answersOf(toFact(parsed.value, image)),
    },
    SOURCE,
  );
}

const FIELDS: readonly string[] = [
  'created',
  'architecture',
  'config',
  'history',
  'User',
  'Env',
  'Healthcheck',
  'created_by',
];

/** Runtimes read `user` as `User`, we do not: such a configuration would say one thing to them and another to us. */
function hasOtherCase(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { config, history } = value as { readonly config?: unknown; readonly history?: unknown };
  const objects = [value, config, ...(Array.isArray(history) ? (history as readonly unknown[]) : [])];
  return objects.some((one) => {
    if (typeof one !== 'object' || one === null) return false;
    return Object.keys(one).some((key) => !FIELDS.includes(key) && FIELDS.some((field) => isFolded(key, field)));
  });
}

function isFolded(key: string, field: string): boolean {
  // The two characters that Go folds into ASCII letters.
  const plain = key.replaceAll('\u017F', 's').replaceAll('\u212A', 'k');
  return plain.toLowerCase() === field.toLowerCase();
}

function timeOf(created: string | null): Observed<number> {
  if (created === null || created === '') return absent(SOURCE);
  // RFC 3339 only: Date.parse accepts much more than a time.
  const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/.test(created);
  const ms = isTime ? Date.parse(created) : Number.NaN;
  return Number.isNaN(ms) ? unreadable(SOURCE, 'the time of the build is malformed') : seen(ms, SOURCE);
}

function toFact(
  { created, config, history }: Infer<typeof schema>,
  { id, tags, setuidFiles }: ConfiguredImage,
): ImageFact {
  return {
    id,
    runtime: 'oci',
    name: tags[0] ?? id,
    tags,
    digests: [],
    createdAt: created ?? '',
    user: config?.User ?? '',
    healthcheck: redactWords(config?.Healthcheck?.Test ?? []).map((word) => word.slice(0, 4096)),
    sources: { user: `${SOURCE} User`, healthcheck: `${SOURCE} Healthcheck`, tags: 'manifest' },
    environmentSecrets: secretVariables(config?.Env ?? [], ENVIRONMENT_SOURCE),
    // No policy judges them.
    exposedPorts: absent(SOURCE),
    setuidFiles,
    history:
      history === null
        ? absent(`${SOURCE} history`)
        : seen(
            history.map(({ created_by: step }) => redactBuildStep(step).slice(0, MAX_STEP_LENGTH)),
            `${SOURCE} history`,
          ),
  };
}

/** No container of the image is at hand. */
const FACTS: Pick<Facts, 'containers'> = { containers: absent('no container') };

function answersOf(image: ImageFact): ReadonlyMap<string, CheckAnswer> {
  const answers = new Map<string, CheckAnswer>();
  for (const check of CHECKS) if (check.judges === 'image') answers.set(check.id, answerOf(check, image));
  return answers;
}

/** A check that needs more than there is here throws: then it has no answer, which is not a pass. */
function answerOf(check: ImageCheck, image: ImageFact): CheckAnswer {
  try {
    const { verdict, reason = '' } = check.judge(image, FACTS as Facts);
    return { verdict, reason };
  } catch {
    return { verdict: 'unknown', reason: 'the check could not be judged without a running container' };
  }
}
