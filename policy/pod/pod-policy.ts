/**
 * Pod policies: documents that say what pods may ask for, by namespace.
 *
 * ```yaml
 * apiVersion: plimsoll.dev/v1
 * kind: PodPolicy
 * metadata: { name: production }
 * spec:
 *   match: { namespaces: [prod-*] }
 *   mode: enforce
 *   podSecurity: { level: restricted, version: '1.34' }
 * ```
 */
import { list, nullable, oneOf, string, withDefault } from '../../posture/schema.ts';
import type { Infer, Parsed, Schema } from '../../posture/schema.ts';
import { globPattern, globsOverlap, matchesGlob } from '../glob.ts';
import { POLICY_API_VERSION, policyMetadata } from '../image-policy.ts';
import type { PolicyDocument } from '../image-policy.ts';
import { compareGlobs } from '../policy-selection.ts';
import { MODES } from '../rule/judging.ts';
import { strictObject } from '../strict-object.ts';
import { nodeCondition } from './node-condition.ts';
import { LATEST_POD_SECURITY_VERSION, POD_SECURITY_CONTROLS, POD_SECURITY_LEVELS } from './security/pod-security.ts';

const MIN_NODE_AGE_MS = 180_000;

/** `kind` of the documents. */
export const POD_POLICY_KIND = 'PodPolicy';
/** Annotation of a pod or pod template: it runs in spite of violations. The value is the reason, for the audit. */
export const BREAK_GLASS_ANNOTATION = 'plimsoll.dev/break-glass';

/** `latest` or `1.34`, as the minor version. */
const version: Schema<number> = {
  shape: {
    kind: 'string',
    doc: `version of the Pod Security Standards: \`'1.0'\` to \`'1.${String(LATEST_POD_SECURITY_VERSION)}'\`, or \`latest\`, which is the newest of these`,
  },
  parse: (value, at = '') => {
    const minor = value === 'latest' ? LATEST_POD_SECURITY_VERSION : minorOf(value);
    if (minor !== undefined && minor <= LATEST_POD_SECURITY_VERSION) return { ok: true, value: minor };
    return {
      ok: false,
      problem: `${at}: expected latest, or '1.0' to '1.${String(LATEST_POD_SECURITY_VERSION)}' in quotes`,
    };
  },
};

function minorOf(value: unknown): number | undefined {
  const [, digits] = typeof value === 'string' ? (/^1\.(0|[1-9][0-9]?)$/.exec(value) ?? []) : [];
  return digits === undefined ? undefined : Number(digits);
}

const controlId: Schema<string> = {
  ...oneOf(POD_SECURITY_CONTROLS.map(({ id }) => id)),
  // The page of policies lists the controls in a table of their own.
  shape: { kind: 'string', doc: '' },
};

const name = string('', 512);

/** The schema of the field `spec`. */
export const podPolicySpec = strictObject({
  match: withDefault(
    strictObject({
      namespaces: withDefault(
        list(globPattern(''), 'namespaces that the policy is for; `*` and `?` are wildcards; default: all', 256),
        ['*'],
      ),
    }),
    { namespaces: ['*'] },
  ),
  mode: withDefault(
    oneOf(MODES, '`enforce`: violations refuse the pod; `warn`: they are shown; `observe`: they are recorded'),
    'enforce',
  ),
  templates: withDefault(
    oneOf(
      MODES,
      'the same for Deployments and other objects that create pods, for violations by pods and their images, where that is milder',
    ),
    'warn',
  ),
  podSecurity: nullable(
    strictObject({
      level: oneOf(POD_SECURITY_LEVELS),
      version: withDefault(version, LATEST_POD_SECURITY_VERSION),
      exempt: withDefault(list(controlId, 'ids of controls that are not judged', 64), []),
    }),
    'level of the Pod Security Standards that pods must meet',
  ),
  nodes: nullable(nodeCondition),
  breakGlass: nullable(
    strictObject({
      users: withDefault(list(name, 'user names, as a whole', 256), []),
      groups: withDefault(list(name, 'groups, as a whole', 256), []),
    }),
    'who may set the annotation `plimsoll.dev/break-glass`, with which a pod runs in spite of violations; default: nobody',
  ),
  message: nullable(string('shown with each violation, such as whom to ask', 1024)),
});

const document = strictObject({
  apiVersion: oneOf([POLICY_API_VERSION]),
  kind: oneOf([POD_POLICY_KIND]),
  metadata: policyMetadata,
  spec: podPolicySpec,
});

/** A policy that can be applied. */
export interface PodPolicy extends Infer<typeof podPolicySpec> {
  readonly name: string;
  /** Where it was read, for messages: a file name. */
  readonly source: string;
}

/** The policy of one document, or what is wrong with it and where. */
export function parsePodPolicy({ value, source }: PolicyDocument): Parsed<PodPolicy> {
  const parsed = document.parse(value);
  if (!parsed.ok) return { ok: false, problem: parsed.problem.replace(/^\./, '') };
  const { metadata, spec } = parsed.value;
  if (spec.match.namespaces.length === 0)
    return { ok: false, problem: 'spec.match: an empty list matches nothing; leave it out to match every namespace' };
  if (spec.nodes !== null && spec.nodes.maxAge < MIN_NODE_AGE_MS)
    return { ok: false, problem: 'spec.nodes.maxAge: expected at least 3m: ages are published once a minute' };
  return { ok: true, value: { ...spec, name: metadata.name, source } };
}

/** The policy that decides on the pods of a namespace: of those that match, the most specific. */
export function selectPodPolicy(policies: readonly PodPolicy[], namespace: string): PodPolicy | undefined {
  return matchingPodPolicies(policies, namespace)[0]?.policy;
}

/** A policy that matches a namespace, by the most specific of its patterns that do. */
export interface PodPolicyMatch {
  readonly policy: PodPolicy;
  readonly pattern: string;
  readonly decides: boolean;
}

/** All policies that match a namespace, the most specific first: that one decides. */
export function matchingPodPolicies(policies: readonly PodPolicy[], namespace: string): readonly PodPolicyMatch[] {
  const matching = policies.flatMap((policy) => {
    const patterns = policy.match.namespaces.filter((pattern) => matchesGlob(pattern, namespace));
    const [pattern] = patterns.toSorted(compareGlobs);
    return pattern === undefined ? [] : [{ policy, pattern }];
  });
  return matching
    .sort((a, b) => compareGlobs(a.pattern, b.pattern))
    .map(({ policy, pattern }, index) => ({ policy, pattern, decides: index === 0 }));
}

/** Two policies with the same name, or equally specific for some namespace. */
export interface PodPolicyConflict {
  readonly policies: readonly [PodPolicy, PodPolicy];
  readonly reason: string;
}

/** All conflicts between policies. Errors where policies are loaded. */
export function findPodPolicyConflicts(policies: readonly PodPolicy[]): readonly PodPolicyConflict[] {
  return policies.flatMap((one, index) =>
    policies.slice(index + 1).flatMap((other) => {
      const reason = conflictBetween(one, other);
      return reason === undefined ? [] : [{ policies: [one, other] as const, reason }];
    }),
  );
}

function conflictBetween(one: PodPolicy, other: PodPolicy): string | undefined {
  if (one.name === other.name) return `the name ${one.name} is used twice`;
  for (const a of one.match.namespaces)
    for (const b of other.match.namespaces)
      if (compareGlobs(a, b) === 0 && globsOverlap(a, b)) return `${a} and ${b} are equally specific`;
  return undefined;
}
