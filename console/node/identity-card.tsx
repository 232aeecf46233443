import type { JSX } from 'preact';
import type { NodeState } from '../../api/node.ts';
import { Card } from '../part/card.tsx';
import { bytes, count, dateTime } from '../../api/format.ts';
import { FactList } from './fact-list.tsx';

/** What the collector itself knows of a node. */
export function IdentityCard({ node }: { readonly node: NodeState }): JSX.Element {
  return (
    <Card title="Identity">
      <FactList
        rows={[
          { name: 'id', value: node.id, weakness: '' },
          { name: 'system', value: node.operatingSystem, weakness: '' },
          { name: 'kernel', value: `${node.kernelRelease} (${node.architecture})`, weakness: '' },
          { name: 'hardware', value: `${count(node.cpus)} CPUs, ${bytes(node.memoryBytes)}`, weakness: '' },
          { name: 'containers', value: count(node.containerCount), weakness: '' },
          { name: 'agent', value: `${node.agentVersion}, ${bytes(node.agentRssBytes)} of memory`, weakness: '' },
          { name: 'first seen', value: dateTime(node.firstSeenMs), weakness: '' },
          { name: 'last seen', value: node.lastSeenMs === 0 ? 'never' : dateTime(node.lastSeenMs), weakness: '' },
          ...(node.dropped === 0
            ? []
            : [{ name: 'dropped', value: `${count(node.dropped)} deltas, healed by resync`, weakness: '' }]),
        ]}
      />
    </Card>
  );
}
