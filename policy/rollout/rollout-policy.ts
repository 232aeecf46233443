/**
 * Rollout policies: documents that say which workloads of a Kubernetes cluster are moved to another image, when, and how
 * carefully.
 *
 * ```yaml
 * apiVersion: plimsoll.dev/v1
 * kind: RolloutPolicy
 * metadata: { name: shop }
 * spec:
 *   match: { namespaces: [shop], images: ['registry.example.com/shop/**'] }
 *   trigger: { severity: high, fixAvailable: true, knownExploited: true }
 *   successor: [{ type: sameTag }]
 * ```
 */
import { boolean, list, nullable, number, oneOf, record, string, withDefault } from '../../posture/schema.ts';
import type { Infer, Parsed, Schema } from '../../posture/schema.ts';
import { duration } from '../duration.ts';
import { globPattern, matchesGlob } from '../glob.ts';
import { POLICY_API_VERSION, policyMetadata } from '../image-policy.ts';
import type { PolicyDocument } from '../image-policy.ts';
import { parseReference } from '../reference.ts';
import { matchesPattern, parseRegistryPattern } from '../registry-pattern.ts';
import { registryPattern } from '../rule/registry.ts';
import { strictObject } from '../strict-object.ts';
import { DAYS, timeOfDay } from './maintenance-window.ts';
import { WORKLOAD_KINDS } from './workload.ts';
import type { Workload } from './workload.ts';

/** `kind` of the documents. */
export const ROLLOUT_POLICY_KIND = 'RolloutPolicy';
/** Namespaces that a policy is for only where its list names them without a wildcard. */
const SYSTEM_NAMESPACES: ReadonlySet<string> = new Set([
  'kube-system',
  'kube-public',
  'kube-node-lease',
  'plimsoll',
  'plimsoll-agents',
]);

const EVERY_IMAGE = parseRegistryPattern('**');
const everyImage = EVERY_IMAGE.ok ? [EVERY_IMAGE.value] : [];

/** An `https` URL; plain HTTP only to this machine. Without user and password, which would be in logs. */
export function webhookUrl(doc: string): Schema<string> {
  return {
    shape: { kind: 'string', doc, maximum: 2048 },
    parse: (value, at = '') => {
      const url = typeof value === 'string' && value.length <= 2048 && URL.canParse(value) ? new URL(value) : undefined;
      const isLocal = url !== undefined && ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
      const isAllowed = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLocal);
      return isAllowed && url.username === '' && url.password === ''
        ? { ok: true, value: url.href }
        : { ok: false, problem: `${at}: expected an https:// URL without user and password` };
    },
  };
}

/** An integer within bounds. */
export function integerFrom(least: number, most: number, doc: string): Schema<number> {
  return {
    shape: { kind: 'integer', doc, minimum: least, maximum: most },
    parse: (value, at = '') =>
      Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most
        ? { ok: true, value: value as number }
        : { ok: false, problem: `${at}: expected an integer from ${String(least)} to ${String(most)}` },
  };
}

const match = strictObject({
  namespaces: withDefault(
    list(
      globPattern(''),
      'namespaces of the workloads; `*` and `?` are wildcards; default: all. `kube-system`, `kube-public`, `kube-node-lease`, `plimsoll` and `plimsoll-agents` only where they are named without a wildcard',
      256,
    ),
    ['*'],
  ),
  kinds: withDefault(list(oneOf(WORKLOAD_KINDS), 'kinds of workloads; default: all', 4), WORKLOAD_KINDS),
  labels: withDefault(record(string('', 63), 'labels that the workload must have, each with this value', 64), {}),
  images: withDefault(
    list(
      registryPattern(''),
      'patterns of repositories; the images of other repositories are left alone; default: every image',
      256,
    ),
    everyImage,
  ),
});

const trigger = strictObject(
  {
    severity: nullable(oneOf(['critical', 'high', 'medium', 'low']), 'a vulnerability of this severity or a worse one'),
    knownExploited: withDefault(boolean('a vulnerability of the CISA catalogue of known exploited ones'), false),
    epss: nullable(number('a vulnerability with at least this EPSS probability, 0 to 1')),
    fixAvailable: withDefault(
      boolean('of these three, only vulnerabilities that a later version of the package fixes'),
      false,
    ),
    endOfLife: withDefault(boolean('the distribution of the image gets no security updates any more'), false),
    waiverExpired: withDefault(boolean('a vulnerability whose waiver has expired'), false),
    denied: withDefault(boolean('the image policies of the collector refuse the image'), false),
  },
  'what sets off a rollout; one of the conditions is enough',
);
/** See {@link rolloutPolicySpec}. */
export type Trigger = Infer<typeof trigger>;

const successor = strictObject({
  type: oneOf(
    ['sameTag', 'tagPattern', 'announced'],
    '`sameTag`: what the tag of the image names now; `tagPattern`: a newer tag of the same repository; `announced`: what `plimsoll images announce` named',
  ),
  pattern: nullable(globPattern('with `tagPattern`: the tags that count, such as `16.*`')),
  order: withDefault(
    oneOf(
      ['semver', 'dpkg'],
      'with `tagPattern`: how tags are ordered. What follows the first `-` must be the same as in the tag that runs: `16.2-alpine` is followed by `16.3-alpine`',
    ),
    'semver',
  ),
});
/** One way in which a successor is found. */
export type SuccessorRule = Infer<typeof successor>;

const webhook = strictObject({
  webhook: webhookUrl('URL that gets a signed POST until it answers with a status from 200 to 299'),
  format: withDefault(
    oneOf(
      ['signed', 'repositoryDispatch'],
      '`repositoryDispatch`: the body of `repository_dispatch` of GitHub, with the token of the setting `rollout-dispatch-token`',
    ),
    'signed',
  ),
});
/** Where a call goes. */
export type Webhook = Infer<typeof webhook>;

/** The schema of the field `spec`. */
export const rolloutPolicySpec = strictObject({
  match: withDefault(match, { namespaces: ['*'], kinds: WORKLOAD_KINDS, labels: {}, images: everyImage }),
  trigger,
  successor: withDefault(
    list(successor, 'how a successor is found: the first that may run and does not set off the trigger is taken', 8),
    [{ type: 'sameTag', pattern: null, order: 'semver' }],
  ),
  mode: withDefault(oneOf(['dryRun', 'apply'], '`dryRun`: the plan is shown, and nothing is changed'), 'dryRun'),
  approval: withDefault(
    oneOf(['required', 'automatic'], '`required`: each step waits for `plimsoll rollouts approve`'),
    'required',
  ),
  budget: withDefault(
    strictObject({
      atOnce: withDefault(integerFrom(1, 100, 'rollouts of the policy that run at a time; default: 1'), 1),
      perNamespace: withDefault(integerFrom(1, 100, 'of them in one namespace; default: 1'), 1),
      offline: withDefault(integerFrom(0, 100, 'workloads that the policy keeps offline at a time; default: 1'), 1),
    }),
    { atOnce: 1, perNamespace: 1, offline: 1 },
  ),
  window: nullable(
    strictObject({
      days: withDefault(list(oneOf(DAYS), 'days on which it begins; default: all', 7), DAYS),
      from: timeOfDay('UTC, `22:00`'),
      to: timeOfDay('UTC; before `from`: on the next day'),
    }),
    'maintenance window in which rollouts begin; default: always. Taking a workload offline does not wait for it',
  ),
  readinessTimeout: withDefault(
    duration('the workload is rolled back when it is not ready after this time; default: `10m`'),
    600_000,
  ),
  observe: withDefault(
    duration('for how long after that new failures of its containers roll the workload back; default: `5m`'),
    300_000,
  ),
  onNoSuccessor: nullable(webhook, 'whom to ask for a new image where there is no successor'),
  onManaged: nullable(
    webhook,
    'whom to send the patch of a workload that Argo CD, Flux, Helm or another controller manages: it is never patched',
  ),
  onExploited: nullable(
    oneOf(['scaleToZero', 'isolate']),
    'what is done with a known exploited vulnerability without a successor: `scaleToZero` (Deployments and StatefulSets), or `isolate` by a NetworkPolicy, until there is a successor',
  ),
});

const document = strictObject({
  apiVersion: oneOf([POLICY_API_VERSION]),
  kind: oneOf([ROLLOUT_POLICY_KIND]),
  metadata: policyMetadata,
  spec: rolloutPolicySpec,
});

/** A policy that can be applied. */
export interface RolloutPolicy extends Infer<typeof rolloutPolicySpec> {
  readonly name: string;
  /** Where it was read, for messages: a file name. */
  readonly source: string;
}

/** The policy of one document, or what is wrong with it and where. */
export function parseRolloutPolicy({ value, source }: PolicyDocument): Parsed<RolloutPolicy> {
  const parsed = document.parse(value);
  if (!parsed.ok) return { ok: false, problem: parsed.problem.replace(/^\./, '') };
  const { metadata, spec } = parsed.value;
  const refuse = (problem: string): Parsed<RolloutPolicy> => ({ ok: false, problem: `spec.${problem}` });
  const { match: own, trigger: conditions } = spec;
  if (own.namespaces.length === 0 || own.images.length === 0 || own.kinds.length === 0)
    return refuse('match: an empty list matches nothing; leave it out to match everything');
  const { severity, knownExploited, epss, endOfLife, waiverExpired, denied } = conditions;
  if (epss !== null && (epss < 0 || epss > 1)) return refuse('trigger.epss: expected a number from 0 to 1');
  if (severity === null && epss === null && !(knownExploited || endOfLife || waiverExpired || denied))
    return refuse('trigger: expected at least one condition');
  for (const [index, { type, pattern }] of spec.successor.entries())
    if ((type === 'tagPattern') !== (pattern !== null))
      return refuse(`successor[${String(index)}].pattern: expected with the type tagPattern, and only there`);
  if (spec.onExploited !== null && !knownExploited) return refuse('onExploited: needs trigger.knownExploited: true');
  return { ok: true, value: { ...spec, name: metadata.name, source } };
}

/** Whether the policy is for the workload. */
export function matchesWorkload({ match: own }: RolloutPolicy, workload: Workload): boolean {
  return (
    own.kinds.includes(workload.kind) &&
    matchesNamespace(own.namespaces, workload.namespace) &&
    Object.entries(own.labels).every(([key, value]) => workload.labels[key] === value) &&
    workload.containers.some(({ image }) => matchesImage(own.images, image))
  );
}

/** Whether one of the patterns covers the namespace. A wildcard covers no namespace of the system. */
export function matchesNamespace(patterns: readonly string[], namespace: string): boolean {
  if (SYSTEM_NAMESPACES.has(namespace)) return patterns.includes(namespace);
  return patterns.some((pattern) => matchesGlob(pattern, namespace));
}

/** Whether one of the patterns covers the repository of an image. */
export function matchesImage(patterns: RolloutPolicy['match']['images'], image: string): boolean {
  const parsed = parseReference(image);
  return parsed.ok && patterns.some((pattern) => matchesPattern(pattern, parsed.value));
}
