import type { JSX } from 'preact';
import type { NodeState } from '../../api/node.ts';
import { freshness } from '../fleet/fleet.ts';
import { useNow } from '../hook/use-now.ts';
import { ago, dateTime, span } from '../text/format.ts';

/** Is a node connected, when was it last heard, or since when is it offline. */
export function FreshnessTag({ node }: { readonly node: NodeState }): JSX.Element {
  const now = useNow();
  const state = freshness(node, now);
  return (
    <span class={`fresh fresh-${state}`} title={`last seen ${dateTime(node.lastSeenMs)}`}>
      <span class="fresh-dot" aria-hidden="true" />
      <span>
        <strong>{state}</strong> <span class="fresh-detail">{detailOf(state, node, now)}</span>
      </span>
    </span>
  );
}

function detailOf(state: 'connected' | 'stale' | 'offline', node: NodeState, now: number): string {
  if (state !== 'offline') return `seen ${ago(node.lastSeenMs, now)}`;
  const sinceMs = node.offlineSinceMs === 0 ? node.lastSeenMs : node.offlineSinceMs;
  return `for ${span(now - sinceMs)}`;
}
