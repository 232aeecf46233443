import type { JSX } from 'preact';
import { toggled } from '../filter.ts';
import { sortNodes } from '../fleet/fleet.ts';
import { useCell } from '../hook/use-cell.ts';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { useServices } from '../services.ts';
import { counted } from '../../api/format.ts';

/** Which nodes are asked; none chosen: all. */
export function NodeChooser({
  chosen,
  onChosen,
}: {
  readonly chosen: readonly string[];
  readonly onChosen: (nodes: readonly string[]) => void;
}): JSX.Element {
  const { fleet } = useServices();
  const nodes = sortNodes(useCell(fleet).nodes).toReversed();
  const label = chosen.length === 0 ? 'All nodes' : counted(chosen.length, 'node');
  return (
    <details class="chooser">
      <summary>{label}</summary>
      <fieldset>
        <legend class="visually-hidden">Nodes to ask</legend>
        {nodes.length === 0 ? <p class="muted">No node has connected yet.</p> : null}
        {nodes.map(({ id, name, connected }) => (
          <label key={id}>
            <input type="checkbox" checked={chosen.includes(id)} onChange={() => onChosen(toggled(chosen, id))} />{' '}
            <UntrustedText text={name} /> {connected ? null : <span class="muted">offline</span>}
          </label>
        ))}
        {chosen.length === 0 ? null : (
          <button type="button" class="link" onClick={() => onChosen([])}>
            Ask all nodes
          </button>
        )}
      </fieldset>
    </details>
  );
}
