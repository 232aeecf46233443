import type { FleetNode } from '../../api/node.ts';
import { nearestName } from '../../service/nearest.ts';
import { nodeLabel } from '../render/node-label.ts';

/** The nodes that are meant, each once, or why that cannot be told. */
export type Chosen =
  { readonly ok: true; readonly nodes: readonly FleetNode[] } | { readonly ok: false; readonly problem: string };

/** Ids that are named where a name is not enough. */
const MAX_NAMED = 5;

/** The nodes with these ids or names. A name must mean one node only: what is removed cannot be had back. */
export function chooseByName(words: readonly string[], known: readonly FleetNode[]): Chosen {
  const chosen = new Map<string, FleetNode>();
  for (const word of words) {
    const byId = known.filter(({ id }) => id === word);
    const [node, ...others] = byId.length > 0 ? byId : known.filter(({ name }) => name === word);
    if (node === undefined) return { ok: false, problem: unknown(word, known) };
    if (others.length > 0) return { ok: false, problem: ambiguous(word, [node, ...others]) };
    chosen.set(node.id, node);
  }
  return { ok: true, nodes: [...chosen.values()] };
}

/** Nodes that are not connected and were not heard of for `staleMs`, longest unheard first. */
export function chooseStale(staleMs: number, nowMs: number, known: readonly FleetNode[]): readonly FleetNode[] {
  return known
    .filter(({ connected, lastSeenMs }) => !connected && nowMs - lastSeenMs >= staleMs)
    .toSorted((one, other) => one.lastSeenMs - other.lastSeenMs);
}

function unknown(word: string, known: readonly FleetNode[]): string {
  const nearest = nearestName(
    word,
    known.flatMap(({ name, id }) => [name, id]),
  );
  return `no node has the id or name ${word}${nearest === undefined ? '' : `; did you mean ${nearest}?`}`;
}

function ambiguous(word: string, nodes: readonly FleetNode[]): string {
  const ids = nodes.slice(0, MAX_NAMED).map(({ id }) => id);
  const more = nodes.length > ids.length ? ', …' : '';
  return `${String(nodes.length)} nodes are called ${nodeLabel(word, word)}; use an id: ${ids.join(', ')}${more}`;
}
