import type { JSX } from 'preact';
import { useCell } from '../hook/use-cell.ts';
import type { LiveState } from '../live/live.ts';
import { useServices } from '../services.ts';

const STATES = Object.freeze({
  connecting: { word: 'connecting', meaning: 'Waiting for the stream of changes' },
  live: { word: 'live', meaning: 'Changes show as they happen' },
  reconnecting: { word: 'reconnecting', meaning: 'The stream of changes broke; what is shown may be old' },
  signedOut: { word: 'signed out', meaning: 'The session has ended' },
} satisfies Record<LiveState, { readonly word: string; readonly meaning: string }>);

/** Does the page see changes. */
export function LiveBadge(): JSX.Element {
  const { live } = useServices();
  const state = useCell(live.state);
  const { word, meaning } = STATES[state];
  return (
    <span class={`live live-${state}`} role="status" title={meaning}>
      <span class="live-dot" aria-hidden="true" />
      {word}
    </span>
  );
}
