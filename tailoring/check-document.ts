/**
 * A custom check: a condition over the facts of a node, in YAML.
 *
 * ```yaml
 * apiVersion: plimsoll.dev/v1
 * kind: Check
 * metadata: { name: acme.company-registry }
 * spec:
 *   subject: container
 *   title: Image comes from the company registry
 *   failTitle: Image comes from another registry
 *   severity: high
 *   rationale: Images of other registries are not scanned before they are deployed.
 *   remediation: Push the image to registry.example.com and start the container from there.
 *   parameters: { registries: [registry.example.com/] }
 *   condition: parameters.registries.exists(r, container.image.startsWith(r))
 * ```
 */
import { parameterProblem } from '../posture/check/parameter.ts';
import type { ParameterValue } from '../posture/check/parameter.ts';
import { MAX_EXPRESSION_LENGTH } from '../posture/expression.ts';
import { FILE_ROLES } from '../posture/fact/file.ts';
import { boolean, list, nullable, number, oneOf, record, string, union, withDefault } from '../posture/schema.ts';
import type { Infer, Parsed, Schema } from '../posture/schema.ts';
import { suggestion } from '../posture/query/nearest.ts';
import { SEVERITIES } from '../posture/verdict.ts';
import { strictObject } from '../policy/strict-object.ts';

/** `apiVersion` of the documents. */
export const TAILORING_API_VERSION = 'plimsoll.dev/v1';
/** `kind` of the documents. */
export const CHECK_KIND = 'Check';

/** What a custom check can judge. */
export const CHECK_SUBJECTS = ['node', 'docker', 'kubelet', 'sshd', 'container', 'image', 'file', 'listener'] as const;

const MAX_TEXT = 4000;
const expression = string('', MAX_EXPRESSION_LENGTH);

const parameterValues = union([
  boolean(),
  number(),
  string('', 1024),
  list(string('', 1024), '', 1000),
  list(number(), '', 1000),
]);

/** The value of a parameter. */
export const parameterValue: Schema<ParameterValue> = {
  ...parameterValues,
  parse: (value, at = '') => {
    const parsed = parameterValues.parse(value, at);
    if (parsed.ok) return parsed;
    return { ok: false, problem: `${at}: expected a number, a text, true or false, or a list of texts or of numbers` };
  },
};

const spec = strictObject({
  subject: oneOf(CHECK_SUBJECTS, 'what is judged, one finding each'),
  role: nullable(oneOf(FILE_ROLES), 'with `subject: file`: which files'),
  title: string('what holds where it passes, at most 100 characters', 100),
  failTitle: string('what is wrong where it fails, at most 100 characters', 100),
  severity: oneOf(SEVERITIES, 'severity of a failure'),
  rationale: string('why it matters', MAX_TEXT),
  remediation: string('what to do', MAX_TEXT),
  references: withDefault(list(string('', 1024), 'URLs of documentation', 16), []),
  parameters: withDefault(
    record(parameterValue, 'values that the expressions read as `parameters.NAME`; a profile can set others', 32),
    {},
  ),
  applies: nullable(expression, 'condition; where it is false, the check is not applicable'),
  condition: { ...expression, shape: { ...expression.shape, doc: 'true: pass; false: fail; otherwise: unknown' } },
  message: nullable(expression, 'expression for the text that says what a failure means here'),
  evidence: nullable(expression, 'expression for what was seen; default: the values that the condition names'),
  controls: withDefault(
    list(
      strictObject({ benchmark: string('`cis-docker-1.8.0`', 64), control: string('', 64) }),
      'controls of benchmarks that it answers as well',
      64,
    ),
    [],
  ),
});

/** The schema of a document. */
export const checkDocument = strictObject({
  apiVersion: oneOf([TAILORING_API_VERSION]),
  kind: oneOf([CHECK_KIND]),
  metadata: strictObject({ name: string('id of the check, `area.what-is-judged`', 128) }),
  spec,
});

/** A custom check as it was written. */
export interface CheckDefinition extends Infer<typeof spec> {
  readonly id: string;
}

const ID = /^[a-z][a-z0-9-]{0,62}\.[a-z0-9][a-z0-9-]{0,62}$/;
const PARAMETER_NAME = /^[a-z][A-Za-z0-9]{0,62}$/;

/** The definition of one document, or what is wrong with it and where (`spec.severity: expected …`). */
export function parseCheckDocument(value: unknown): Parsed<CheckDefinition> {
  const parsed = checkDocument.parse(value);
  if (!parsed.ok) return { ok: false, problem: parsed.problem.replace(/^\./, '') };
  const definition = { id: parsed.value.metadata.name, ...parsed.value.spec };
  const problem = problemOf(definition);
  return problem === undefined ? { ok: true, value: definition } : { ok: false, problem };
}

function problemOf(definition: CheckDefinition): string | undefined {
  const { id, title, failTitle, subject, role, parameters, references } = definition;
  if (!ID.test(id))
    return 'metadata.name: expected an area and a name in lower case, joined by a dot, such as acme.company-registry';
  for (const field of ['title', 'failTitle', 'rationale', 'remediation'] as const)
    if (definition[field].trim() === '') return `spec.${field}: expected a text that is not empty`;
  if (title === failTitle) return 'spec.failTitle: expected another text than title';
  if ((subject === 'file') !== (role !== null)) return `spec.role: expected with \`subject: file\`, and only there`;
  const name = Object.keys(parameters).find((each) => !PARAMETER_NAME.test(each));
  if (name !== undefined) return 'spec.parameters: expected names such as `maxAgeDays`';
  const reference = references.findIndex((url) => !/^https?:\/\/[^\s]+$/.test(url));
  return reference === -1 ? undefined : `spec.references[${String(reference)}]: expected a URL`;
}

/** The definition with other values of parameters; a value must be of the type of the default. */
export function withParameters(
  definition: CheckDefinition,
  values: Readonly<Record<string, ParameterValue>>,
): Parsed<CheckDefinition> {
  const { parameters } = definition;
  for (const [name, value] of Object.entries(values)) {
    const preset = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
    if (preset === undefined)
      return { ok: false, problem: `${name}: unknown parameter${suggestion(name, Object.keys(parameters))}` };
    const problem = parameterProblem({ doc: '', default: preset }, value);
    if (problem !== undefined) return { ok: false, problem: `${name}: ${problem}` };
  }
  return { ok: true, value: { ...definition, parameters: { ...parameters, ...values } } };
}
