/**
 * Nodes of a Kubernetes cluster in a snapshot of policies: their labels, and how many checks of the node itself fail or
 * could not be answered. Names and labels come from the API server, never from an agent.
 */
import { boolean, integer, list, nullable, object, record, string } from '../posture/schema.ts';
import type { Infer } from '../posture/schema.ts';
import { compareKeys } from '../posture/text-order.ts';

/** Nodes that a snapshot holds. */
export const MAX_SNAPSHOT_NODES = 10_000;

const time = integer('', 0);
/** By severity: critical, high, medium, low. */
const counts = list(integer('', 0), 'critical, high, medium, low', 4);

/** As they are written: nodes of a pool share their labels. */
export const writtenNodes = object({
  listedAt: time,
  isComplete: boolean('there are no other nodes'),
  labelSets: list(record(string('', 256), '', 256), '', MAX_SNAPSHOT_NODES),
  nodes: list(
    object({
      name: string('', 253),
      labels: nullable(integer('index of `labelSets`; absent: they are not known', 0)),
      seenAt: integer('when its agent reported last; 0: never', 0),
      failed: counts,
      unknown: counts,
    }),
    '',
    MAX_SNAPSHOT_NODES,
  ),
});
type WrittenNodes = Infer<typeof writtenNodes>;

/** One node. */
export interface SnapshotNode {
  readonly name: string;
  /** Null: they are not known. */
  readonly labels: Readonly<Record<string, string>> | null;
  /** When its agent reported last, milliseconds since the epoch; 0: never. */
  readonly seenAt: number;
  /** Failed checks of the node itself by severity: critical, high, medium, low. */
  readonly failed: readonly number[];
  /** The same of checks that could not be answered. */
  readonly unknown: readonly number[];
}

/** The nodes of a cluster. */
export interface SnapshotNodes {
  /** When the API server listed them, milliseconds since the epoch. */
  readonly listedAt: number;
  readonly isComplete: boolean;
  readonly nodes: readonly SnapshotNode[];
}

/** The nodes of a snapshot; labels that it does not hold are not known. */
export function readNodes({ labelSets, nodes, ...head }: WrittenNodes): SnapshotNodes {
  return {
    ...head,
    nodes: nodes.map(({ name, labels, seenAt, failed, unknown }) => ({
      name,
      seenAt,
      failed,
      unknown,
      labels: labels === null ? null : (labelSets[labels] ?? null),
    })),
  };
}

/** The nodes as a snapshot holds them; of more than {@link MAX_SNAPSHOT_NODES} the first. */
export function writeNodes({ listedAt, isComplete, nodes }: SnapshotNodes): WrittenNodes {
  const sets = new Map<string, number>();
  const written = nodes.slice(0, MAX_SNAPSHOT_NODES).map(({ name, labels, seenAt, failed, unknown }) => {
    if (labels === null) return { name, labels, seenAt, failed, unknown };
    const key = JSON.stringify(Object.entries(labels).sort(compareKeys));
    const index = sets.get(key) ?? sets.size;
    sets.set(key, index);
    return { name, labels: index, seenAt, failed, unknown };
  });
  const labelSets = [...sets.keys()].map((key) => Object.fromEntries(JSON.parse(key) as readonly [string, string][]));
  return { listedAt, isComplete: isComplete && nodes.length <= MAX_SNAPSHOT_NODES, labelSets, nodes: written };
}
