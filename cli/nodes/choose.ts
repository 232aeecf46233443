import { nodeList } from '../../api/node.ts';
import type { ApiClient, Result } from '../../api/client.ts';
import type { FleetNode } from '../../api/node.ts';
import { didYouMean } from '../../service/nearest.ts';
import { nodeLabel } from '../render/node-label.ts';

/** The nodes that were named, each once, or what is wrong with a name. */
export type Chosen<N = FleetNode> =
  { readonly ok: true; readonly nodes: readonly N[] } | { readonly ok: false; readonly problem: string };

type NamedNode = Pick<FleetNode, 'id' | 'name'>;

/** Ids that are listed where a name is not enough. */
const MAX_LISTED = 5;
/** Shortest prefix of an id that identifies it. */
const MIN_PREFIX = 4;

/**
 * The nodes with these ids, names or beginnings of ids; a beginning must fit one node only. So must a name if `isUnique`:
 * for what cannot be undone.
 */
export function chooseByName<N extends NamedNode>(
  words: readonly string[],
  known: readonly N[],
  isUnique: boolean,
): Chosen<N> {
  const chosen = new Map<string, N>();
  for (const word of words) {
    const exact = known.filter(({ id }) => id === word);
    const named = exact.length > 0 ? exact : known.filter(({ name }) => name === word);
    const isPrefix = named.length === 0 && word.length >= MIN_PREFIX;
    const found = isPrefix ? known.filter(({ id }) => id.startsWith(word)) : named;
    if (found.length === 0) return { ok: false, problem: unknownNode(word, known) };
    if (found.length > 1 && (isPrefix || isUnique)) return { ok: false, problem: ambiguous(word, found, isPrefix) };
    for (const node of found) chosen.set(node.id, node);
  }
  return { ok: true, nodes: [...chosen.values()] };
}

/** The ids of the nodes that `words` name, for a query; none: without a request. */
export async function resolveNodes(client: ApiClient, words: readonly string[]): Promise<Result<readonly string[]>> {
  if (words.length === 0) return { ok: true, value: [] };
  const list = await client.get('/v1/nodes', nodeList);
  if (!list.ok) return list;
  const chosen = chooseByName(words, list.value.nodes, false);
  if (chosen.ok) return { ok: true, value: chosen.nodes.map(({ id }) => id) };
  return {
    ok: false,
    problem: { kind: 'refused', message: chosen.problem, hint: 'see: plimsoll nodes', retryAfterMs: 0 },
  };
}

/** Nodes that are not connected and sent nothing for `staleMs`, longest silent first; not those that never did. */
export function chooseStale(staleMs: number, nowMs: number, known: readonly FleetNode[]): readonly FleetNode[] {
  return known
    .filter(({ presence, lastSeenMs }) => presence === 'offline' && nowMs - lastSeenMs >= staleMs)
    .toSorted((one, other) => one.lastSeenMs - other.lastSeenMs);
}

function unknownNode(word: string, known: readonly NamedNode[]): string {
  const names = known.flatMap(({ name, id }) => [name, id]);
  return `no node has the id or name ${JSON.stringify(word)}${didYouMean(word, names)}`;
}

function ambiguous(word: string, nodes: readonly NamedNode[], isPrefix: boolean): string {
  const ids = nodes.slice(0, MAX_LISTED).map(({ id }) => id);
  const more = nodes.length > ids.length ? ', …' : '';
  const what = isPrefix ? `ids of nodes start with ${word}` : `nodes are called ${nodeLabel(word, word)}`;
  return `${String(nodes.length)} ${what}; use an id: ${ids.join(', ')}${more}`;
}
