import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import { imageDetail } from '../../api/image.ts';
import type { ImageDetail } from '../../api/image.ts';
import * as s from '../../posture/schema.ts';
import { OPEN_FILTER } from '../filter.ts';
import { FindingsCard } from '../findings/findings-card.tsx';
import { useCell } from '../hook/use-cell.ts';
import { useLoad } from '../hook/use-load.ts';
import { askNode, unreadText } from '../node/ask-node.ts';
import { FactList } from '../node/fact-list.tsx';
import { Card } from '../part/card.tsx';
import { DataTable } from '../part/data-table.tsx';
import { EmptyNote, LoadingNote, ProblemNote } from '../part/note.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { containerHash, imagesHash, nodeHash } from '../route.ts';
import { useServices } from '../services.ts';
import { REFRESH_MS } from '../vulnerabilities/coverage.tsx';
import { ImageKnowledge, ImagePackages } from './image-inventory.tsx';
import { ImageVulnerabilities } from './image-vulnerabilities.tsx';
import { counted, shortId } from '../../api/format.ts';

const imageFacts = s.nullable(
  s.list(
    s.object({
      id: s.string(),
      name: s.string(),
      tags: s.list(s.string(), '', 1024),
      digests: s.list(s.string(), '', 1024),
      createdAt: s.string(),
      user: s.string(),
      healthcheck: s.list(s.string(), '', 64),
      history: s.nullable(s.list(s.string(), '', 1024)),
    }),
    '',
    16,
  ),
);

/** One image: what is wrong with it, where it runs, what it contains, how it was built, and its findings. */
export function ImageView({ imageId }: { readonly imageId: string }): JSX.Element {
  const { api } = useServices();
  const { value, problem, reload } = useLoad(
    `image ${imageId}`,
    (signal) => api.get(`/v1/images/${encodeURIComponent(imageId)}`, imageDetail, signal),
    REFRESH_MS,
  );
  const filter = useMemo(() => ({ ...OPEN_FILTER, kinds: ['image' as const], subject: imageId }), [imageId]);
  const isUnused = problem?.kind === 'notFound';
  return (
    <>
      <p class="crumbs">
        <a href={imagesHash()}>Images</a> / image
      </p>
      <div class="title-line">
        <h1 tabIndex={-1}>
          <UntrustedText text={value?.names[0] ?? shortId(imageId)} />
        </h1>
        <code class="title-id muted">
          <UntrustedText text={imageId} />
        </code>
      </div>
      {isUnused ? <EmptyNote>No running container uses this image.</EmptyNote> : null}
      {problem === undefined || isUnused ? null : <ProblemNote problem={problem} onRetry={reload} />}
      {value === undefined && problem === undefined ? <LoadingNote what="the image" /> : null}
      {value === undefined || isUnused ? null : (
        <>
          <ImageKnowledge detail={value} />
          <ImageVulnerabilities detail={value} />
          <Card title="Containers" aside={<span>{counted(value.containers.length, 'container')}</span>}>
            {value.containers.length === 0 ? <EmptyNote>No container runs this image any more.</EmptyNote> : null}
            <DataTable
              label="Running containers of this image"
              columns={['Container', 'Node', 'Started from']}
              rows={value.containers.map(({ nodeId, nodeName, id, name, image }) => ({
                key: `${nodeId} ${id}`,
                cells: [
                  <a href={containerHash(nodeId, id)}>
                    <UntrustedText text={name} />
                  </a>,
                  <a href={nodeHash(nodeId)}>
                    <UntrustedText text={nodeName} />
                  </a>,
                  image,
                ],
              }))}
            />
          </Card>
          <ImagePackages detail={value} />
          {value.containers.length === 0 ? null : <Build use={value} />}
        </>
      )}
      <FindingsCard title="Open findings of this image" filter={filter} />
    </>
  );
}

/** How the image was built, read from the first connected node that runs it. */
function Build({ use }: { readonly use: Pick<ImageDetail, 'id' | 'containers'> }): JSX.Element {
  const { api, fleet } = useServices();
  const { nodes } = useCell(fleet);
  const connected = new Set(nodes.filter((node) => node.connected).map(({ id }) => id));
  const nodeId =
    (use.containers.find((container) => connected.has(container.nodeId)) ?? use.containers[0])?.nodeId ?? '';
  const asked = useLoad(`image facts ${nodeId} ${use.id}`, (signal) => {
    // The id comes from the address: within these characters a CEL string needs no escape.
    const id = /^[\w:.-]{1,128}$/.test(use.id) ? use.id : '';
    const expression = `images.filter(i, i.id == "${id}")`;
    return askNode(api, { nodeId, expression, schema: imageFacts }, signal);
  });
  const answer = asked.value;
  const image = answer?.outcome === 'ok' ? answer.value?.[0] : undefined;
  return (
    <Card title="Build">
      {asked.problem === undefined ? null : <ProblemNote problem={asked.problem} onRetry={asked.reload} />}
      {answer === undefined && asked.problem === undefined ? <LoadingNote what="the image from its node" /> : null}
      {answer?.outcome === 'offline' ? <EmptyNote>The node that runs it is offline.</EmptyNote> : null}
      {answer?.outcome === 'failed' ? (
        <EmptyNote>
          The node could not answer: <UntrustedText text={answer.message} />
        </EmptyNote>
      ) : null}
      {answer?.outcome === 'ok' && answer.value === null ? (
        <EmptyNote>
          <UntrustedText text={unreadText('images', answer.unread)} />
        </EmptyNote>
      ) : null}
      {answer?.outcome === 'ok' && answer.value !== null && image === undefined ? (
        <EmptyNote>The node does not list this image.</EmptyNote>
      ) : null}
      {image === undefined ? null : (
        <>
          <FactList
            rows={[
              { name: 'tags', value: image.tags.join(', ') || 'none', weakness: '' },
              { name: 'digests', value: image.digests.join(', ') || 'none', weakness: '' },
              { name: 'created', value: image.createdAt.slice(0, 19).replace('T', ' '), weakness: '' },
              { name: 'user', value: image.user === '' ? 'root (none declared)' : image.user, weakness: '' },
              { name: 'health check', value: image.healthcheck.join(' ') || 'none', weakness: '' },
            ]}
          />
          {image.history === null ? (
            <EmptyNote>The build steps could not be read.</EmptyNote>
          ) : (
            <DataTable
              label="Build steps, oldest first"
              columns={['Step', 'Instruction']}
              rows={image.history.map((step, index) => ({
                key: String(index),
                cells: [
                  String(index + 1),
                  <code>
                    <UntrustedText text={step} />
                  </code>,
                ],
              }))}
            />
          )}
        </>
      )}
    </Card>
  );
}
