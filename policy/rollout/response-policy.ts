/**
 * Response policies: documents that say what is done in a Kubernetes cluster about a failed check of a running
 * container.
 *
 * ```yaml
 * apiVersion: plimsoll.dev/v1
 * kind: ResponsePolicy
 * metadata: { name: privileged }
 * spec:
 *   match: { checks: [container.privileged], namespaces: [shop] }
 *   action: evict
 * ```
 */
import { list, oneOf, withDefault } from '../../posture/schema.ts';
import type { Infer, Parsed } from '../../posture/schema.ts';
import { globPattern } from '../glob.ts';
import { POLICY_API_VERSION, policyMetadata } from '../image-policy.ts';
import type { PolicyDocument } from '../image-policy.ts';
import { strictObject } from '../strict-object.ts';
import { integerFrom } from './rollout-policy.ts';

/** `kind` of the documents. */
export const RESPONSE_POLICY_KIND = 'ResponsePolicy';

/** What can be done. */
export const RESPONSE_ACTIONS = Object.freeze(['evict', 'isolatePod', 'labelNode', 'cordonNode'] as const);
/** See {@link RESPONSE_ACTIONS}. */
export type ResponseAction = (typeof RESPONSE_ACTIONS)[number];

/** The schema of the field `spec`. */
export const responsePolicySpec = strictObject({
  match: strictObject({
    checks: list(globPattern(''), 'ids of checks of containers; `*` and `?` are wildcards', 256),
    severity: withDefault(oneOf(['critical', 'high', 'medium', 'low']), 'high'),
    namespaces: withDefault(
      list(
        globPattern(''),
        'namespaces of the pods; default: all. Those of the system and of Plimsoll only where they are named without a wildcard',
        256,
      ),
      ['*'],
    ),
  }),
  action: oneOf(
    RESPONSE_ACTIONS,
    '`evict`: the pod, by the Eviction API, which respects PodDisruptionBudgets; `isolatePod`: a label and a NetworkPolicy that allows it no traffic; `labelNode`: the node gets the label `plimsoll.dev/response` with the name of the policy; `cordonNode`: no further pods are scheduled on it',
  ),
  mode: withDefault(oneOf(['dryRun', 'apply'], '`dryRun`: the plan is shown, and nothing is changed'), 'dryRun'),
  approval: withDefault(
    oneOf(['required', 'automatic'], '`required`: each response waits for `plimsoll rollouts approve`'),
    'required',
  ),
  budget: withDefault(
    strictObject({
      perHour: withDefault(integerFrom(1, 1000, 'responses of the policy within an hour; default: 1'), 1),
    }),
    { perHour: 1 },
  ),
});

const document = strictObject({
  apiVersion: oneOf([POLICY_API_VERSION]),
  kind: oneOf([RESPONSE_POLICY_KIND]),
  metadata: policyMetadata,
  spec: responsePolicySpec,
});

/** A policy that can be applied. */
export interface ResponsePolicy extends Infer<typeof responsePolicySpec> {
  readonly name: string;
  /** Where it was read, for messages: a file name. */
  readonly source: string;
}

/** The policy of one document, or what is wrong with it and where. */
export function parseResponsePolicy({ value, source }: PolicyDocument): Parsed<ResponsePolicy> {
  const parsed = document.parse(value);
  if (!parsed.ok) return { ok: false, problem: parsed.problem.replace(/^\./, '') };
  const { metadata, spec } = parsed.value;
  if (spec.match.checks.length === 0 || spec.match.namespaces.length === 0)
    return { ok: false, problem: 'spec.match: an empty list matches nothing' };
  // The name is the value of a label.
  if (spec.action === 'labelNode' && metadata.name.length > 63)
    return { ok: false, problem: 'metadata.name: at most 63 characters where the action is labelNode' };
  return { ok: true, value: { ...spec, name: metadata.name, source } };
}
