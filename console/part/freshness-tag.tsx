import type { JSX } from 'preact';
import type { NodeState } from '../../api/node.ts';
import { useNow } from '../hook/use-now.ts';
import { ago, dateTime, span } from '../../api/format.ts';

/** Whether a node is connected, by the judgement of the collector, and when it was last heard or since when it is offline. */
export function FreshnessTag({ node }: { readonly node: NodeState }): JSX.Element {
  const now = useNow();
  const { presence } = node;
  return (
    <span class={`fresh fresh-${presence}`} title={`last seen ${dateTime(node.lastSeenMs)}`}>
      <span class="fresh-dot" aria-hidden="true" />
      <span>
        <strong>{presence}</strong> <span class="fresh-detail">{detailOf(node, now)}</span>
      </span>
    </span>
  );
}

function detailOf(node: NodeState, now: number): string {
  if (node.presence !== 'offline') return `seen ${ago(node.lastSeenMs, now)}`;
  const sinceMs = node.offlineSinceMs === 0 ? node.lastSeenMs : node.offlineSinceMs;
  return `for ${span(now - sinceMs)}`;
}
