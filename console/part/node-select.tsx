import type { JSX } from 'preact';
import { safe } from '../../api/safe.ts';
import { useCell } from '../hook/use-cell.ts';
import { useServices } from '../services.ts';

/** A choice between all nodes (empty) and one; a node that the fleet does not have any more stays in the list. */
export function NodeSelect({
  nodeId,
  onSelect,
}: {
  readonly nodeId: string;
  readonly onSelect: (nodeId: string) => void;
}): JSX.Element {
  const { fleet } = useServices();
  const { nodes } = useCell(fleet);
  const isKnown = nodes.some(({ id }) => id === nodeId);
  return (
    <label class="filter-select">
      Node
      <select value={nodeId} onChange={(event) => onSelect(event.currentTarget.value)}>
        <option value="">all nodes</option>
        {nodeId === '' || isKnown ? null : <option value={nodeId}>{safe(nodeId)}</option>}
        {nodes.map(({ id, name }) => (
          <option key={id} value={id}>
            {safe(name)}
          </option>
        ))}
      </select>
    </label>
  );
}
