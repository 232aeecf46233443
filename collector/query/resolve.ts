import { nearestName } from '../../service/nearest.ts';
import type { NodeRow } from '../store/store.ts';
import { compareText } from '../../posture/text-order.ts';

/** The nodes that a query means, or why one of its names means none. */
export type Resolved =
  { readonly ok: true; readonly nodes: readonly NodeRow[] } | { readonly ok: false; readonly error: string };

/** Characters of an id that are enough where no other id begins with them. */
const MIN_PREFIX = 4;

/**
 * The nodes that these words mean, each once, in the order of their names; no words: all nodes. A word is an id, or a
 * name, or the beginning of an id. One that fits several nodes means all of them: what a node calls itself must not
 * hide another one.
 */
export function resolveNodes(words: readonly string[], known: readonly NodeRow[]): Resolved {
  if (words.length === 0) return { ok: true, nodes: sorted(known) };
  const meant = new Map<string, NodeRow>();
  for (const word of words) {
    const byId = known.filter((node) => node.id === word);
    const isMeant = ({ id, name }: NodeRow): boolean =>
      name === word || (word.length >= MIN_PREFIX && id.startsWith(word));
    const matching = byId.length > 0 ? byId : known.filter(isMeant);
    if (matching.length === 0) return { ok: false, error: unknownNode(word, known) };
    for (const node of matching) meant.set(node.id, node);
  }
  return { ok: true, nodes: sorted([...meant.values()]) };
}

function unknownNode(name: string, known: readonly NodeRow[]): string {
  const candidates = known.flatMap((node) => [node.name, node.id]);
  const nearest = nearestName(name, candidates);
  return `no node has the id or name ${JSON.stringify(name)}${nearest === undefined ? '' : `; did you mean ${JSON.stringify(nearest)}?`}`;
}

function sorted(nodes: readonly NodeRow[]): readonly NodeRow[] {
  return nodes.toSorted((one, other) => compareText(one.name, other.name) || compareText(one.id, other.id));
}
