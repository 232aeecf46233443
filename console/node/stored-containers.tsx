import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { NodeDetail } from '../../api/node.ts';
import { Scroll } from '../part/card.tsx';
import { EmptyNote } from '../part/note.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { count, shortId } from '../../api/format.ts';

/** Containers that are listed before somebody asks for all. */
const SHOWN = 20;

/** The containers that a node last reported. */
export function StoredContainers({ containers }: { readonly containers: NodeDetail['containers'] }): JSX.Element {
  const [isWhole, setWhole] = useState(false);
  const shown = isWhole ? containers : containers.slice(0, SHOWN);
  if (containers.length === 0) return <EmptyNote>No container was running when the node was last heard.</EmptyNote>;
  return (
    <>
      <Scroll label="Stored containers">
        <table class="stored">
          <caption class="visually-hidden">Containers that the node last reported</caption>
          <thead>
            <tr>
              <th scope="col">Container</th>
              <th scope="col">Image</th>
              <th scope="col">Id</th>
              <th scope="col">Started</th>
            </tr>
          </thead>
          <tbody>
            {shown.map(({ id, name, image, startedAt }) => (
              <tr key={id}>
                <th scope="row">
                  <UntrustedText text={name} />
                </th>
                <td>
                  <UntrustedText text={image} />
                </td>
                <td>
                  <code>
                    <UntrustedText text={shortId(id)} />
                  </code>
                </td>
                <td>
                  <UntrustedText text={startedAt.slice(0, 19).replace('T', ' ')} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      {shown.length < containers.length ? (
        <button type="button" class="link" onClick={() => setWhole(true)}>
          Show all {count(containers.length)} containers
        </button>
      ) : null}
    </>
  );
}
