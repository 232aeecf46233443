import { safe } from '../../api/safe.ts';
import { CLUSTER_ID } from '../../posture/judge.ts';
import type { Verdict } from '../../posture/verdict.ts';
import type { NodeRow, StoredFinding } from '../store/store.ts';
import { compareKeys } from '../../posture/text-order.ts';

/*
 * Reports of the policy working group of Kubernetes, wgpolicyk8s.io/v1alpha2, and of their successor
 * openreports.io/v1alpha1, which has the same results under other kinds.
 */

/** The API group of reports. */
export type ReportGroup = 'wgpolicyk8s.io' | 'openreports.io';

/** Kinds and resources of a group: of the whole cluster, and of a namespace. */
export const REPORT_KINDS = Object.freeze({
  'wgpolicyk8s.io': {
    version: 'wgpolicyk8s.io/v1alpha2',
    cluster: { kind: 'ClusterPolicyReport', resource: 'clusterpolicyreports' },
    namespaced: { kind: 'PolicyReport', resource: 'policyreports' },
  },
  'openreports.io': {
    version: 'openreports.io/v1alpha1',
    cluster: { kind: 'ClusterReport', resource: 'clusterreports' },
    namespaced: { kind: 'Report', resource: 'reports' },
  },
} as const satisfies Record<ReportGroup, unknown>);

/** The label that all objects of the collector have; others are never changed or deleted. */
export const MANAGED_BY = Object.freeze({ name: 'app.kubernetes.io/managed-by', value: 'plimsoll-collector' });
/** The label with the node that a report is about. */
export const NODE_LABEL = 'plimsoll.io/node';
/** Names of all objects begin with it. */
export const NAME_PREFIX = 'plimsoll-';

/** A report, and where it belongs. */
export interface ReportObject {
  /** Empty: of the whole cluster. */
  readonly namespace: string;
  readonly name: string;
  /** What is written, without the version of the object that it replaces. */
  readonly body: Readonly<Record<string, unknown>> & { readonly metadata: Readonly<Record<string, unknown>> };
}

/** Results in one object: at most 400 KiB, a third of what the API server stores. */
const MAX_RESULTS = 200;
const MAX_MESSAGE = 1_000;
const MAX_NAME = 253;
/**
 * Objects and results of one node: whoever controls a node must not fill the store of the API server. A kubelet runs at most
 * 250 pods in practice, and each can be in a namespace of its own.
 */
export const NODE_LIMITS = Object.freeze({ objects: 256, results: 10_000 });

const RESULT = {
  fail: 'fail',
  unknown: 'error',
  manual: 'warn',
  pass: 'pass',
  notApplicable: 'skip',
} as const satisfies Record<Verdict, string>;

/** The reports of a node, and the findings that are in none because there would be too many objects. */
export interface NodeReports {
  readonly objects: readonly ReportObject[];
  readonly omitted: number;
}

/**
 * Reports with these open findings of a node. Findings of containers of pods are in the namespace of their pod, the
 * others in a report of the cluster. The same findings make the same objects.
 */
export function toReports(
  group: ReportGroup,
  node: Pick<NodeRow, 'id' | 'name' | 'containers'>,
  findings: readonly StoredFinding[],
): NodeReports {
  const pods = new Map(node.containers.flatMap((container) => podOf(container)));
  const podOfFinding = ({ subject }: StoredFinding): Pod | undefined =>
    subject.kind === 'container' ? pods.get(subject.id) : undefined;
  const sorted = findings.toSorted((one, other) => (one.uid < other.uid ? -1 : 1));
  const byNamespace = Map.groupBy(sorted, (finding) => podOfFinding(finding)?.namespace ?? '');
  const objects: ReportObject[] = [];
  let [written, omitted] = [0, 0];
  for (const [namespace, found] of [...byNamespace].toSorted(compareKeys))
    for (let from = 0; from < found.length; from += MAX_RESULTS) {
      const part = found.slice(from, from + MAX_RESULTS);
      if (objects.length >= NODE_LIMITS.objects || written + part.length > NODE_LIMITS.results) omitted += part.length;
      else {
        written += part.length;
        const results = part.map((finding) => toResult(finding, resourceOf(podOfFinding(finding), node)));
        objects.push(toObject({ group, node, namespace, number: from / MAX_RESULTS + 1 }, results));
      }
    }
  return { objects, omitted };
}

interface Pod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** The pod of a container; none where its names cannot be those of Kubernetes. */
function podOf({ id, podUid = '', namespace = '', pod = '' }: NodeRow['containers'][number]): readonly [string, Pod][] {
  const isPod =
    /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(namespace) && /^[a-z0-9][a-z0-9.-]{0,252}$/.test(pod) && podUid !== '';
  return isPod ? [[id, { namespace, name: pod, uid: podUid.slice(0, MAX_NAME) }]] : [];
}

type Result = Readonly<Record<string, unknown>> & { readonly result: (typeof RESULT)[Verdict] };

function resourceOf(pod: Pod | undefined, { id, name }: Pick<NodeRow, 'id' | 'name'>): readonly object[] {
  if (pod !== undefined) return [{ apiVersion: 'v1', kind: 'Pod', ...pod }];
  return id === CLUSTER_ID ? [] : [{ apiVersion: 'v1', kind: 'Node', name: name.slice(0, MAX_NAME), uid: id }];
}

function toResult(finding: StoredFinding, resources: readonly object[]): Result {
  const { check, title, verdict, severity, subject, reason = '', uid, nodeName, firstSeenMs, changedMs } = finding;
  const text = reason === '' ? title : `${title}: ${reason}`;
  return {
    source: 'plimsoll',
    policy: check,
    category: check.split('.', 1)[0] ?? '',
    severity,
    result: RESULT[verdict],
    scored: verdict !== 'manual',
    message: safe(text.slice(0, MAX_MESSAGE)),
    timestamp: { seconds: Math.floor(changedMs / 1000), nanos: 0 },
    ...(resources.length > 0 && { resources }),
    properties: {
      finding: uid,
      node: safe(nodeName.slice(0, MAX_NAME)),
      subject: safe(`${subject.kind} ${subject.name || subject.id}`.slice(0, MAX_NAME)),
      firstSeen: new Date(firstSeenMs).toISOString(),
    },
  };
}

interface Part {
  readonly group: ReportGroup;
  readonly node: Pick<NodeRow, 'id' | 'name'>;
  readonly namespace: string;
  /** From 1. */
  readonly number: number;
}

function toObject({ group, node, namespace, number }: Part, results: readonly Result[]): ReportObject {
  const { version, cluster, namespaced } = REPORT_KINDS[group];
  const name = `${NAME_PREFIX}${node.id}-${String(number)}`;
  const count = (result: Result['result']): number => results.filter((one) => one.result === result).length;
  const isOfNode = namespace === '' && node.id !== CLUSTER_ID;
  const body = {
    apiVersion: version,
    kind: namespace === '' ? cluster.kind : namespaced.kind,
    metadata: {
      name,
      ...(namespace !== '' && { namespace }),
      labels: { [MANAGED_BY.name]: MANAGED_BY.value, [NODE_LABEL]: node.id },
    },
    ...(group === 'openreports.io' && { source: 'plimsoll' }),
    ...(isOfNode && { scope: { apiVersion: 'v1', kind: 'Node', name: node.name.slice(0, MAX_NAME), uid: node.id } }),
    summary: { pass: 0, fail: count('fail'), warn: count('warn'), error: count('error'), skip: 0 },
    results,
  };
  return { namespace, name, body };
}
