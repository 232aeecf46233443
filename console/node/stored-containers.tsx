import type { JSX } from 'preact';
import type { NodeDetail } from '../../api/node.ts';
import { DataTable } from '../part/data-table.tsx';
import { EmptyNote } from '../part/note.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { containerHash, imageHash } from '../route.ts';
import { shortId } from '../../api/format.ts';

/** The containers that a node last reported. */
export function StoredContainers({ node: { id, containers } }: { readonly node: NodeDetail }): JSX.Element {
  if (containers.length === 0) return <EmptyNote>No container was running when the node was last heard.</EmptyNote>;
  return (
    <DataTable
      label="Containers that the node last reported"
      columns={['Container', 'Image', 'Id', 'Started']}
      rows={containers.map((container) => ({
        key: container.id,
        cells: [
          <a href={containerHash(id, container.id)}>
            <UntrustedText text={container.name} />
          </a>,
          <a href={imageHash(container.imageId)}>
            <UntrustedText text={container.image} />
          </a>,
          shortId(container.id),
          container.startedAt.slice(0, 19).replace('T', ' '),
        ],
      }))}
    />
  );
}
