import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { sortNodes } from '../fleet/fleet.ts';
import type { FleetEntry } from '../fleet/fleet.ts';
import { useCell } from '../hook/use-cell.ts';
import { Card, Scroll } from '../part/card.tsx';
import { FailureBar } from '../part/failure-bar.tsx';
import { FreshnessTag } from '../part/freshness-tag.tsx';
import { EmptyNote, LoadingNote } from '../part/note.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { nodeHash } from '../route.ts';
import { useServices } from '../services.ts';
import { count, counted } from '../../api/format.ts';

/** Nodes that are listed before somebody asks for all. */
const SHOWN = 50;

/** All nodes, those first that need a look. */
export function FleetCard(): JSX.Element {
  const { fleet } = useServices();
  const { nodes, isRead } = useCell(fleet);
  const [isWhole, setWhole] = useState(false);
  const sorted = sortNodes(nodes);
  const shown = isWhole ? sorted : sorted.slice(0, SHOWN);
  return (
    <Card
      className="card-fleet"
      title="Fleet"
      aside={isRead ? <span>{counted(nodes.length, 'node')}</span> : undefined}
    >
      {!isRead && nodes.length === 0 ? <LoadingNote what="the nodes" /> : null}
      {isRead && nodes.length === 0 ? (
        <EmptyNote>
          No node has connected yet. Start an agent on one: <code>plimsoll agent</code>
        </EmptyNote>
      ) : null}
      {nodes.length === 0 ? null : (
        <Scroll label="Fleet">
          <table class="fleet">
            <caption class="visually-hidden">Nodes with their state and their open failures</caption>
            <thead>
              <tr>
                <th scope="col">Node</th>
                <th scope="col">State</th>
                <th scope="col">Open failures</th>
                <th scope="col" class="number">
                  Containers
                </th>
                <th scope="col">Runtime</th>
                <th scope="col">Kernel</th>
              </tr>
            </thead>
            <tbody>
              {shown.map((node) => (
                <NodeRow key={node.id} node={node} />
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {shown.length < sorted.length ? (
        <button type="button" class="link" onClick={() => setWhole(true)}>
          Show all {count(sorted.length)} nodes
        </button>
      ) : null}
    </Card>
  );
}

function NodeRow({ node }: { readonly node: FleetEntry }): JSX.Element {
  return (
    <tr>
      <th scope="row">
        <a href={nodeHash(node.id)}>
          <UntrustedText text={node.name} />
        </a>
      </th>
      <td>
        <FreshnessTag node={node} />
      </td>
      <td>
        <FailureBar failures={node.counts?.failures} />
      </td>
      <td class="number">{count(node.containerCount)}</td>
      <td>{node.runtime === '' ? <span class="muted">none</span> : <UntrustedText text={node.runtime} />}</td>
      <td>
        <UntrustedText text={node.kernelRelease} />
      </td>
    </tr>
  );
}
