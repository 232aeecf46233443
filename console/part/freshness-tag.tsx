import type { JSX } from 'preact';
import type { NodeState } from '../../api/node.ts';
import { useNow } from '../hook/use-now.ts';
import { ago, dateTime, span } from '../../api/format.ts';
import { presenceLabel } from '../../api/labels.ts';

/** Whether a node is connected, by the judgement of the collector, and when it was last heard or since when it is offline. */
export function FreshnessTag({ node }: { readonly node: NodeState }): JSX.Element {
  const now = useNow();
  const { presence, lastSeenMs, duplicateIdentity } = node;
  return (
    <span
      class={`fresh fresh-${duplicateIdentity ? 'offline' : presence}`}
      title={lastSeenMs === 0 ? 'no agent has ever connected' : `last seen ${dateTime(lastSeenMs)}`}
    >
      <span class="fresh-dot" aria-hidden="true" />
      <span>
        <strong>{duplicateIdentity ? 'duplicate identity' : presenceLabel(presence)}</strong>{' '}
        <span class="fresh-detail">{detailOf(node, now)}</span>
      </span>
    </span>
  );
}

function detailOf(node: NodeState, now: number): string {
  if (node.presence === 'neverEnrolled') return `listed ${ago(node.firstSeenMs, now)}`;
  if (node.presence !== 'offline') return `seen ${ago(node.lastSeenMs, now)}`;
  const sinceMs = node.offlineSinceMs === 0 ? node.lastSeenMs : node.offlineSinceMs;
  return `for ${span(now - sinceMs)}`;
}
