/**
 * Policies as objects that the Kubernetes API server enforces without a webhook: ValidatingAdmissionPolicy and its
 * binding, `admissionregistration.k8s.io/v1`, Kubernetes 1.30 or newer.
 * https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
 *
 * Only rules that need no evidence about an image can be expressed: registries, references and the Pod Security
 * Standards. The rules about evidence need the webhook.
 */
import { compareSpecificity } from '../registry-pattern.ts';
import type { RegistryPattern } from '../registry-pattern.ts';
import { modeOf } from '../image-policy.ts';
import type { ImagePolicy } from '../image-policy.ts';
import type { PodPolicy } from '../pod/pod-policy.ts';
import { controlsFor } from '../pod/security/pod-security.ts';
import { compareGlobs } from '../policy-selection.ts';
import { MODES } from '../rule/judging.ts';
import type { Mode } from '../rule/judging.ts';
import type { Rule } from '../rule/rules.ts';
import { celMatches, celString, globRegex } from './cel-text.ts';
import { completionOf, coversName, mayBeId, validatedName } from './image-expressions.ts';

/** One condition of a policy. */
export interface AdmissionValidation {
  readonly expression: string;
  readonly message: string;
  readonly messageExpression?: string;
  readonly reason: 'Forbidden';
}

/** `kind: ValidatingAdmissionPolicy` */
export interface AdmissionPolicy {
  readonly apiVersion: 'admissionregistration.k8s.io/v1';
  readonly kind: 'ValidatingAdmissionPolicy';
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly failurePolicy: 'Fail';
    readonly matchConstraints: object;
    readonly matchConditions: readonly { readonly name: string; readonly expression: string }[];
    readonly variables: readonly { readonly name: string; readonly expression: string }[];
    readonly validations: readonly AdmissionValidation[];
  };
}

/** `kind: ValidatingAdmissionPolicyBinding` */
export interface AdmissionPolicyBinding {
  readonly apiVersion: 'admissionregistration.k8s.io/v1';
  readonly kind: 'ValidatingAdmissionPolicyBinding';
  readonly metadata: { readonly name: string };
  readonly spec: { readonly policyName: string; readonly validationActions: readonly ('Deny' | 'Warn' | 'Audit')[] };
}

/** The objects, and the rules that they cannot express: `production spec.rules[2] (signature)`. */
export type AdmissionPolicyExport =
  | {
      readonly ok: true;
      readonly objects: readonly (AdmissionPolicy | AdmissionPolicyBinding)[];
      readonly omitted: readonly string[];
    }
  | { readonly ok: false; readonly problem: string };

/** Alternatives of one expression. The API server refuses expressions that are nested deeper than 250 levels. */
const MAX_ALTERNATIVES = 100;

const ACTIONS = Object.freeze({ enforce: 'Deny', warn: 'Warn', observe: 'Audit' } as const);

/**
 * The policies as one ValidatingAdmissionPolicy for each mode that occurs, with its binding. A request that they refuse
 * is refused by `decidePod` too, and the reverse, as far as the rules can be expressed.
 */
export function exportAdmissionPolicies(
  policies: readonly ImagePolicy[],
  podPolicies: readonly PodPolicy[],
): AdmissionPolicyExport {
  const alternatives = Math.max(imageAlternatives(policies).length, podAlternatives(podPolicies).length);
  if (alternatives > MAX_ALTERNATIVES)
    return {
      ok: false,
      problem: `the policies have more than ${String(MAX_ALTERNATIVES)} combinations of images and namespaces; export fewer of them`,
    };
  const variables = variablesOf(policies, podPolicies);
  const objects = MODES.flatMap((mode) => {
    const validations = [...imageValidations(policies, mode), ...podValidations(podPolicies, mode)];
    return validations.length === 0 ? [] : objectsOf(mode, variables, validations);
  });
  if (objects.length === 0) return { ok: false, problem: 'no rule of the policies can be expressed' };
  const omitted = [
    ...policies.flatMap((policy) =>
      policy.rules.flatMap((rule, index) =>
        isExpressible(rule) ? [] : [`${policy.name} spec.rules[${String(index)}] (${rule.type})`],
      ),
    ),
    ...podPolicies.flatMap(({ name, nodes }) => (nodes === null ? [] : [`${name} spec.nodes`])),
  ];
  return { ok: true, objects, omitted };
}

function objectsOf(
  mode: Mode,
  variables: AdmissionPolicy['spec']['variables'],
  validations: readonly AdmissionValidation[],
): readonly (AdmissionPolicy | AdmissionPolicyBinding)[] {
  const name = `plimsoll-${mode}`;
  const apiVersion = 'admissionregistration.k8s.io/v1';
  return [
    {
      apiVersion,
      kind: 'ValidatingAdmissionPolicy',
      metadata: { name },
      spec: {
        failurePolicy: 'Fail',
        matchConstraints: {
          resourceRules: [
            {
              apiGroups: [''],
              apiVersions: ['v1'],
              operations: ['CREATE', 'UPDATE'],
              resources: ['pods', 'pods/ephemeralcontainers'],
              scope: 'Namespaced',
            },
          ],
        },
        // A change of a policy must not block changes of labels and finalizers of pods that already run.
        matchConditions: [
          { name: 'spec-changes', expression: "request.operation == 'CREATE' || object.spec != oldObject.spec" },
        ],
        variables,
        validations,
      },
    },
    {
      apiVersion,
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata: { name },
      spec: { policyName: name, validationActions: [ACTIONS[mode]] },
    },
  ];
}

/** Later variables use earlier ones. Lists are `dyn`: the kinds of containers are different types to the API server. */
function variablesOf(
  policies: readonly ImagePolicy[],
  podPolicies: readonly PodPolicy[],
): AdmissionPolicy['spec']['variables'] {
  const list = (field: string): string => `(has(object.spec.${field}) ? dyn(object.spec.${field}) : dyn([]))`;
  const shared = [
    { name: 'spec', expression: 'dyn(object.spec)' },
    {
      name: 'annotations',
      expression: 'has(object.metadata.annotations) ? dyn(object.metadata.annotations) : dyn({})',
    },
    { name: 'containers', expression: ['initContainers', 'containers', 'ephemeralContainers'].map(list).join(' + ') },
    {
      name: 'contexts',
      expression:
        '(has(object.spec.securityContext) ? [dyn(object.spec.securityContext)] : []) + ' +
        'variables.containers.filter(c, has(c.securityContext)).map(c, dyn(c.securityContext))',
    },
  ];
  const ofPods = [{ name: 'podPolicy', expression: chain(podAlternatives(podPolicies)) }];
  const ofImages = [
    {
      name: 'images',
      expression:
        "variables.containers.map(c, string(c.?image.orValue(''))) + " +
        `${list('volumes')}.filter(v, has(v.image)).map(v, string(v.image.?reference.orValue('')))`,
    },
    { name: 'completed', expression: `variables.images.map(i, {'image': string(i), 'name': ${completionOf('i')}})` },
    {
      name: 'references',
      expression: `variables.completed.map(r, {'image': string(r.image), 'name': ${validatedName('r.name')}})`,
    },
    {
      name: 'judged',
      expression: `variables.references.map(r, {'image': string(r.image), 'name': string(r.name), 'policy': ${chain(imageAlternatives(policies))}})`,
    },
  ];
  return [...shared, ...(podPolicies.length === 0 ? [] : ofPods), ...(policies.length === 0 ? [] : ofImages)];
}

interface Alternative {
  readonly condition: string;
  readonly policy: string;
}

/** The name of the policy of the first condition that holds; empty where none does. */
function chain(alternatives: readonly Alternative[]): string {
  const parts = alternatives.map(({ condition, policy }) => `${condition} ? ${celString(policy)} : `);
  return `${parts.join('')}''`;
}

const inNamespace = (pattern: string): string =>
  /^\*+$/.test(pattern) ? 'true' : celMatches('request.namespace', `^${globRegex(pattern)}$`);

/** Namespaces of pod policies, the most specific first. */
function podAlternatives(policies: readonly PodPolicy[]): readonly Alternative[] {
  return policies
    .flatMap(({ name, match }) => match.namespaces.map((pattern) => ({ name, pattern })))
    .toSorted((a, b) => compareGlobs(a.pattern, b.pattern))
    .map(({ name, pattern }) => ({ condition: inNamespace(pattern), policy: name }));
}

/** Pairs of images and namespaces of image policies, the most specific first. */
function imageAlternatives(policies: readonly ImagePolicy[]): readonly Alternative[] {
  return policies
    .flatMap(({ name, match }) =>
      match.images.flatMap((image) => match.namespaces.map((namespace) => ({ name, image, namespace }))),
    )
    .toSorted((a, b) => compareSpecificity(a.image, b.image) || compareGlobs(a.namespace, b.namespace))
    .map(({ name, image, namespace }) => {
      const place = inNamespace(namespace);
      // A malformed reference is covered by the patterns that cover every image.
      const condition = isEveryImage(image) ? place : `${coversName(image, 'r.name')} && ${place}`;
      return { condition, policy: name };
    });
}

function isEveryImage({ registry, path }: RegistryPattern): boolean {
  return registry === undefined && path.join('/') === '**/*';
}

function isExpressible({ type }: Rule): boolean {
  return type === 'registry' || type === 'reference';
}

function imageValidations(policies: readonly ImagePolicy[], mode: Mode): readonly AdmissionValidation[] {
  if (policies.length === 0) return [];
  const validations: AdmissionValidation[] = [];
  if (mode === 'enforce')
    validations.push(
      imageValidation("r.policy != ''", 'No image policy applies to an image.', 'no image policy applies to'),
    );
  for (const policy of policies) {
    const other = `r.policy != ${celString(policy.name)}`;
    if (policy.mode === mode)
      validations.push(
        imageValidation(
          `${other} || r.name != ''`,
          `The reference of an image is malformed (policy ${policy.name}).`,
          'malformed references:',
        ),
      );
    for (const [index, rule] of policy.rules.entries()) {
      if (modeOf(policy, rule) !== mode) continue;
      const condition = conditionOf(rule);
      if (condition === undefined) continue;
      const what =
        rule.type === 'registry'
          ? 'images from a registry that is not allowed:'
          : 'images whose reference is not allowed:';
      const place = `policy ${policy.name}, spec.rules[${String(index)}]`;
      const message = `${sentenceOf(rule)} (${place})${rule.message === null ? '' : `. ${oneLine(rule.message)}`}`;
      validations.push(imageValidation(`${other} || (r.name != '' && ${condition})`, message, what));
    }
  }
  return validations;
}

/** `condition` is about one image, `r`. */
function imageValidation(condition: string, message: string, list: string): AdmissionValidation {
  return {
    expression: `variables.judged.all(r, ${condition})`,
    message,
    messageExpression: `${celString(`${message} Plimsoll: ${list} `)} + variables.judged.filter(r, !(${condition})).map(r, r.image).join(', ')`,
    reason: 'Forbidden',
  };
}

function sentenceOf(rule: Rule): string {
  return rule.type === 'registry'
    ? 'An image must come from a registry that the policy allows'
    : 'An image must have a reference that the policy allows; deploy it by its digest';
}

/** What must hold for the image `r` whose reference is valid; undefined: the rule needs evidence. */
function conditionOf(rule: Rule): string | undefined {
  switch (rule.type) {
    case 'registry': {
      const any = rule.allow.map((pattern) => coversName(pattern, 'r.name'));
      return `!${mayBeId('r.image')} && (${any.length === 0 ? 'false' : any.join(' || ')})`;
    }
    case 'reference': {
      const tags = rule.forbidTags.map((tag) => celMatches('r.name', `^[^/]+/[^:@]+:(?:${globRegex(tag)})$`));
      const isFree = rule.requireDigest ? 'false' : tags.map((tag) => `!${tag}`).join(' && ');
      return `(r.name.contains('@') || (${isFree}))`;
    }
    case 'age':
    case 'architecture':
    case 'configuration':
    case 'database':
    case 'distribution':
    case 'package':
    case 'scan':
    case 'signature':
    case 'vulnerability':
      return undefined;
  }
}

function podValidations(policies: readonly PodPolicy[], mode: Mode): readonly AdmissionValidation[] {
  return policies
    .filter((policy) => policy.mode === mode)
    .flatMap(({ name, podSecurity, message }) => {
      if (podSecurity === null) return [];
      const version = `1.${String(podSecurity.version)}`;
      return controlsFor(podSecurity).map(({ id, title, cel }): AdmissionValidation => ({
        expression: `variables.podPolicy != ${celString(name)} || (${cel(podSecurity.version)})`,
        message:
          `Pod Security ${podSecurity.level} ${version}, ${id}: ${title} (policy ${name})` +
          (message === null ? '' : `. ${oneLine(message)}`),
        reason: 'Forbidden',
      }));
    });
}

/** The API server refuses messages with line breaks. */
function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim();
}
