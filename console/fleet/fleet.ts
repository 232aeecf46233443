import type { HistoryEntry } from '../../api/finding.ts';
import type { FleetNode, NodeState } from '../../api/node.ts';
import type { LiveItem } from '../live/live.ts';
import { changeOfEvent, changeOfHistory, changeOfNode } from './change.ts';
import type { Change } from './change.ts';

/** The fleet as the page shows it. */
export interface Fleet {
  readonly nodes: readonly FleetNode[];
  /** What just changed, newest first. */
  readonly changes: readonly Change[];
}

/** Nothing is known. */
export const NO_FLEET: Fleet = Object.freeze({ nodes: [], changes: [] });

/** Changes that are kept. */
const MAX_CHANGES = 50;

/** The fleet after one live item; the same object where nothing differs. */
export function reduceFleet(fleet: Fleet, item: LiveItem, nowMs: number): Fleet {
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
  return { ...fleet, nodes };
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
export function sortNodes(nodes: readonly FleetNode[]): readonly FleetNode[] {
  const weight = ({ counts: { failures } }: FleetNode): readonly number[] => [
    failures.critical,
    failures.high,
    failures.medium,
    failures.low,
  ];
  return nodes.toSorted((one, other) => {
    if (one.connected !== other.connected) return one.connected ? 1 : -1;
    const [mine, theirs] = [weight(one), weight(other)];
    const first = mine.findIndex((value, index) => value !== theirs[index]);
    if (first !== -1) return (theirs[first] ?? 0) - (mine[first] ?? 0);
    return one.name < other.name ? -1 : one.name > other.name ? 1 : 0;
  });
}

/** How a node's connection stands. `stale`: connected, but nothing was heard for three heartbeats. */
export type Freshness = 'connected' | 'stale' | 'offline';

/** Three heartbeats of the default interval of 15 s. */
const STALE_MS = 45_000;

/** See {@link Freshness}. */
export function freshness(
  { connected, lastSeenMs }: Pick<NodeState, 'connected' | 'lastSeenMs'>,
  nowMs: number,
): Freshness {
  if (!connected) return 'offline';
  return nowMs - lastSeenMs > STALE_MS ? 'stale' : 'connected';
}

const NO_COUNTS: FleetNode['counts'] = Object.freeze({
  verdicts: { fail: 0, unknown: 0, manual: 0, pass: 0, notApplicable: 0 },
  failures: { critical: 0, high: 0, medium: 0, low: 0, info: 0 },
});

function withNode(nodes: readonly FleetNode[], known: FleetNode | undefined, state: NodeState): readonly FleetNode[] {
  const node = { ...state, counts: known?.counts ?? NO_COUNTS };
  if (known === undefined) return [...nodes, node];
  return nodes.map((other) => (other === known ? node : other));
}

function withChange(fleet: Fleet, change: Change): Fleet {
  const others = fleet.changes.filter(({ key }) => key !== change.key);
  return { ...fleet, changes: [change, ...others].slice(0, MAX_CHANGES) };
}
