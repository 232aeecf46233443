import { nearestName } from '../../service/nearest.ts';
import type { NodeRow } from '../store/store.ts';

/** The nodes that a query means, or why one of its names means none. */
export type Resolved =
  { readonly ok: true; readonly nodes: readonly NodeRow[] } | { readonly ok: false; readonly error: string };

/**
 * The nodes with these ids or names, each once, in the order of their names; no names: all nodes. A name that several
 * nodes share means all of them.
 */
export function resolveNodes(names: readonly string[], known: readonly NodeRow[]): Resolved {
  if (names.length === 0) return { ok: true, nodes: sorted(known) };
  const meant = new Map<string, NodeRow>();
  for (const name of names) {
    const matching = known.filter((node) => node.id === name || node.name === name);
    if (matching.length === 0) return { ok: false, error: unknownNode(name, known) };
    for (const node of matching) meant.set(node.id, node);
  }
  return { ok: true, nodes: sorted([...meant.values()]) };
}

function unknownNode(name: string, known: readonly NodeRow[]): string {
  const candidates = known.flatMap((node) => [node.name, node.id]);
  const nearest = nearestName(name, candidates);
  return `there is no node \`${name}\`${nearest === undefined ? '' : `; did you mean \`${nearest}\`?`}`;
}

function sorted(nodes: readonly NodeRow[]): readonly NodeRow[] {
  return nodes.toSorted((one, other) => compare(one.name, other.name) || compare(one.id, other.id));
}

/** By UTF-16 unit: the same order everywhere, whatever the locale. */
function compare(one: string, other: string): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}
