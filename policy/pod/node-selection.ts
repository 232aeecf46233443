import type { SnapshotNode } from '../node-posture.ts';
import type { NodeSelectorRequirement, NodeSelectorTerm, Pod } from './pod.ts';

/** Whether something holds; undefined: it is not known. */
type Known = boolean | undefined;

/**
 * Whether the node name, the node selector and the required node affinity of a pod let it be scheduled on a node;
 * undefined: the labels of the node are not known. Preferences are none: the scheduler may ignore them. As
 * https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/ defines it.
 */
export function isPossibleOn({ spec }: Pod, node: Pick<SnapshotNode, 'name' | 'labels'>): Known {
  const { nodeName, nodeSelector, affinity } = spec;
  // The scheduler does not look at such a pod. The kubelet refuses it where the selectors do not match.
  if (nodeName !== null && nodeName !== '' && nodeName !== node.name) return false;
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? null;
  return all([
    ...Object.entries(nodeSelector).map(([key, value]) =>
      holds({ key, operator: 'In', values: [value] }, labelOf(node, key)),
    ),
    // An empty list of terms selects nothing.
    ...(required === null ? [] : [any(required.nodeSelectorTerms.map((term) => matchesTerm(term, node)))]),
  ]);
}

/** An empty term selects nothing. */
function matchesTerm(
  { matchExpressions, matchFields }: NodeSelectorTerm,
  node: Pick<SnapshotNode, 'name' | 'labels'>,
): Known {
  if (matchExpressions.length === 0 && matchFields.length === 0) return false;
  return all([
    ...matchExpressions.map((one) => holds(one, labelOf(node, one.key))),
    // The API server accepts no other field.
    ...matchFields.map((one) => (one.key === 'metadata.name' ? holds(one, { value: node.name }) : undefined)),
  ]);
}

/** A label of a node. `value` undefined: the node does not have it; undefined as a whole: that is not known. */
type Label = { readonly value: string | undefined } | undefined;

function labelOf({ name, labels }: Pick<SnapshotNode, 'name' | 'labels'>, key: string): Label {
  if (labels === null) return undefined;
  if (Object.hasOwn(labels, key)) return { value: labels[key] };
  return { value: key === HOSTNAME_LABEL ? name : undefined };
}

/** Snapshots leave this label out where its value is the name of the node. */
export const HOSTNAME_LABEL = 'kubernetes.io/hostname';

function holds({ key: _key, operator, values }: NodeSelectorRequirement, label: Label): Known {
  if (label === undefined) return undefined;
  const { value } = label;
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
      return compare(value, values[0], (a, b) => a > b);
    case 'Lt':
      return compare(value, values[0], (a, b) => a < b);
    default:
      // Of a newer API: it could select the node.
      return undefined;
  }
}

/** Both must be integers, as the API demands. */
function compare(
  value: string | undefined,
  bound: string | undefined,
  isMet: (a: bigint, b: bigint) => boolean,
): boolean {
  const integer = /^-?\d{1,19}$/;
  if (value === undefined || bound === undefined || !integer.test(value) || !integer.test(bound)) return false;
  return isMet(BigInt(value), BigInt(bound));
}

function all(parts: readonly Known[]): Known {
  if (parts.includes(false)) return false;
  return parts.includes(undefined) ? undefined : true;
}

function any(parts: readonly Known[]): Known {
  if (parts.includes(true)) return true;
  return parts.includes(undefined) ? undefined : false;
}
