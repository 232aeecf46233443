import type { HistoryEntry } from '../../api/finding.ts';
import type { FleetNode, NodeState } from '../../api/node.ts';
import type { WatchItem } from '../../api/watch.ts';
import { changeOfEvent, changeOfHistory, changeOfNode } from './change.ts';
import type { Change } from './change.ts';
import { PLOTTED } from './trend.ts';

/** A node, and its counts once they were read. */
export type FleetEntry = NodeState & { readonly counts: FleetNode['counts'] | undefined };

/** The fleet as the page shows it. */
export interface Fleet {
  /** False until the nodes were read once: `nodes` then holds only those that the live stream named. */
  readonly isRead: boolean;
  readonly nodes: readonly FleetEntry[];
  /** What just changed, newest first. */
  readonly changes: readonly Change[];
}

/** Nothing was read yet. */
export const NO_FLEET: Fleet = Object.freeze({ isRead: false, nodes: [], changes: [] });

/** Changes that are kept: some starts of containers, each with all its findings. */
const MAX_CHANGES = 500;

/** The fleet after one live item; the same object where nothing differs. */
export function reduceFleet(fleet: Fleet, item: WatchItem, nowMs: number): Fleet {
  if (item.type === 'finding') return withChange(fleet, changeOfEvent(item.event));
  if (item.type === 'nodeRemoved') return { ...fleet, nodes: fleet.nodes.filter(({ id }) => id !== item.nodeId) };
  if (item.type !== 'node') return fleet;
  const known = fleet.nodes.find(({ id }) => id === item.node.id);
  const nodes = withNode(fleet.nodes, known, item.node);
  const isNews = known === undefined ? item.node.connected : known.connected !== item.node.connected;
  return isNews ? withChange({ ...fleet, nodes }, changeOfNode(item.node, nowMs)) : { ...fleet, nodes };
}

/** The fleet with nodes and their counts as they were just read. */
export function withNodes(fleet: Fleet, nodes: readonly FleetNode[]): Fleet {
  return { ...fleet, isRead: true, nodes };
}

/** The fleet with what happened before the page was opened, behind what it saw itself. */
export function withHistory(fleet: Fleet, entries: readonly HistoryEntry[]): Fleet {
  const names = new Map(fleet.nodes.map(({ id, name }) => [id, name]));
  const past = entries.map((entry) => changeOfHistory(entry, names.get(entry.nodeId) ?? entry.nodeId));
  // A change that the page saw itself knows more than the history.
  const seen = fleet.changes.filter((change) => change.type === 'node' || change.findingId !== undefined);
  const known = new Set(seen.map(({ key }) => key));
  const changes = [...seen, ...past.filter(({ key }) => !known.has(key))];
  return { ...fleet, changes: changes.toSorted((one, other) => other.atMs - one.atMs).slice(0, MAX_CHANGES) };
}

/** Nodes that need a look first: lost ones, then by failures, worst severity first, then by name. */
export function sortNodes(nodes: readonly FleetEntry[]): readonly FleetEntry[] {
  const weight = ({ counts }: FleetEntry): readonly number[] =>
    PLOTTED.map((severity) => counts?.failures[severity] ?? 0);
  return nodes.toSorted((one, other) => {
    if (one.connected !== other.connected) return one.connected ? 1 : -1;
    const [mine, theirs] = [weight(one), weight(other)];
    const first = mine.findIndex((value, index) => value !== theirs[index]);
    if (first !== -1) return (theirs[first] ?? 0) - (mine[first] ?? 0);
    return one.name < other.name ? -1 : one.name > other.name ? 1 : 0;
  });
}

function withNode(
  nodes: readonly FleetEntry[],
  known: FleetEntry | undefined,
  state: NodeState,
): readonly FleetEntry[] {
  const node = { ...state, counts: known?.counts };
  if (known === undefined) return [...nodes, node];
  return nodes.map((other) => (other === known ? node : other));
}

function withChange(fleet: Fleet, change: Change): Fleet {
  const others = fleet.changes.filter(({ key }) => key !== change.key);
  return { ...fleet, changes: [change, ...others].slice(0, MAX_CHANGES) };
}
