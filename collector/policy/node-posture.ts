import { NODE_SEVERITIES } from '../../policy/pod/node-condition.ts';
import { HOSTNAME_LABEL } from '../../policy/pod/node-selection.ts';
import type { SnapshotNode, SnapshotNodes } from '../../policy/node-posture.ts';
import type { SubjectKind } from '../../posture/finding.ts';
import type { Clock } from '../../service/clock.ts';
import type { ListedNode, NodeListing } from '../kubernetes/list-nodes.ts';
import type { FindingGroup, Store } from '../store/store.ts';

/** What policies may know of the nodes of the cluster. */
export interface NodePostureSource {
  /** The nodes and their posture now; undefined: the cluster has not been listed yet. Rejects as the store does. */
  readonly read: () => Promise<SnapshotNodes | undefined>;
}

/** What it is read from. */
export interface NodePostureOptions {
  /** Lists the nodes of the cluster. */
  readonly list: () => Promise<NodeListing>;
  readonly store: Pick<Store, 'nodes' | 'findingGroups' | 'counts'>;
  readonly clock: Pick<Clock, 'now' | 'monotonic'>;
}

/** A list of nodes is as old as this at most; after a failure the earlier one counts, with its age. */
const LIST_MS = 30_000;
const MAX_GROUPS = 10_000;
/** What is said about the node itself: containers and images come and go. */
const OWN_SUBJECTS: readonly SubjectKind[] = ['node', 'daemon', 'file', 'listener'];

/**
 * Posture of the nodes of the cluster. A node is the one whose agent has a certificate with the uid of the Node object:
 * what an agent calls itself counts for nothing.
 */
export function createNodePosture({ list, store, clock }: NodePostureOptions): NodePostureSource {
  let listing:
    { readonly nodes: readonly ListedNode[]; readonly isComplete: boolean; readonly atMs: number } | undefined;
  let triedMs = -Infinity;
  const refresh = async (): Promise<void> => {
    if (clock.monotonic() - triedMs < LIST_MS) return;
    triedMs = clock.monotonic();
    const atMs = clock.now();
    const listed = await list();
    if (listed.ok) listing = { nodes: listed.nodes, isComplete: listed.isComplete, atMs };
  };
  return {
    read: async () => {
      await refresh();
      if (listing === undefined) return undefined;
      const groups = await store.findingGroups({
        by: 'node',
        verdicts: ['fail', 'unknown'],
        severities: NODE_SEVERITIES,
        subjectKinds: OWN_SUBJECTS,
        limit: MAX_GROUPS,
      });
      const rows = new Map((await store.nodes()).map((row) => [row.id, row]));
      const byNode = new Map(groups.map((group) => [group.nodeId, group]));
      // A node whose findings have not arrived, as after the loss of the store, is not one without failures.
      const hasFindings = new Set((await store.counts()).map(({ nodeId }) => nodeId));
      return {
        listedAt: listing.atMs,
        isComplete: listing.isComplete && groups.length < MAX_GROUPS,
        nodes: listing.nodes.map(({ id, name, labels }): SnapshotNode => ({
          name,
          labels: labels === undefined ? null : withoutHostname(labels, name),
          seenAt: hasFindings.has(id) ? (rows.get(id)?.lastSeenMs ?? 0) : 0,
          failed: countsOf(byNode.get(id), 'fail'),
          unknown: countsOf(byNode.get(id), 'unknown'),
        })),
      };
    },
  };
}

/** The label that differs on each node says nothing that the name does not. */
function withoutHostname(labels: Readonly<Record<string, string>>, name: string): Readonly<Record<string, string>> {
  if (labels[HOSTNAME_LABEL] !== name) return labels;
  const { [HOSTNAME_LABEL]: _hostname, ...others } = labels;
  return others;
}

function countsOf(group: FindingGroup | undefined, verdict: 'fail' | 'unknown'): readonly number[] {
  return NODE_SEVERITIES.map((severity) =>
    (group?.statusCounts ?? [])
      .filter((one) => one.verdict === verdict && one.severity === severity && one.waived !== true)
      .reduce((sum, one) => sum + one.count, 0),
  );
}
