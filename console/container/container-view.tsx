import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import { nodeDetail } from '../../api/node.ts';
import type { NodeDetail } from '../../api/node.ts';
import { compareContainer } from '../../posture/compare/compare.ts';
import { containerDetailExpression, containerDetails } from '../../posture/compare/container.ts';
import type { ContainerDetail } from '../../posture/compare/container.ts';
import { OPEN_FILTER } from '../filter.ts';
import { FindingsCard } from '../findings/findings-card.tsx';
import { History } from '../history/history-view.tsx';
import { useCell } from '../hook/use-cell.ts';
import { useReloadOn } from '../hook/use-live.ts';
import { useLoad } from '../hook/use-load.ts';
import { askNode, unreadText } from '../node/ask-node.ts';
import type { NodeAnswer } from '../node/ask-node.ts';
import { FactList } from '../node/fact-list.tsx';
import { SettingTable } from '../node/setting-table.tsx';
import { Card } from '../part/card.tsx';
import { FreshnessTag } from '../part/freshness-tag.tsx';
import { EmptyNote, LoadingNote, ProblemNote } from '../part/note.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { imageHash, nodeHash } from '../route.ts';
import { useServices } from '../services.ts';
import { bytes, clockTime, count, dateTime, shortId } from '../../api/format.ts';
import { ContainerResources } from './container-resources.tsx';

const RELOAD_EVERY_MS = 3000;

/** One container: its settings, mounts, ports, devices, image, findings and history. */
export function ContainerView({
  nodeId,
  containerId,
}: {
  readonly nodeId: string;
  readonly containerId: string;
}): JSX.Element {
  const { api, fleet } = useServices();
  const node = useLoad(`node ${nodeId}`, (signal) =>
    api.get(`/v1/nodes/${encodeURIComponent(nodeId)}`, nodeDetail, signal),
  );
  const isConnected = useCell(fleet).nodes.find(({ id }) => id === node.value?.id)?.connected ?? node.value?.connected;
  const stored = node.value?.containers.find(({ id }) => id === containerId);
  const answer = useDetail({ nodeId, containerId, isConnected: isConnected ?? true });
  const detail = answer.value?.outcome === 'ok' ? answer.value.value?.[0] : undefined;
  const name = detail?.live.name ?? stored?.name;
  const filter = useMemo(
    () => ({ ...OPEN_FILTER, nodes: [nodeId], kinds: ['container' as const], subject: containerId }),
    [nodeId, containerId],
  );
  return (
    <>
      <p class="crumbs">
        <a href="#/">Fleet</a> /{' '}
        <a href={nodeHash(nodeId)}>
          <UntrustedText text={node.value?.name ?? nodeId} />
        </a>{' '}
        / container
      </p>
      <div class="title-line">
        <h1 tabIndex={-1}>
          <UntrustedText text={name ?? shortId(containerId)} />
        </h1>
        {detail === undefined ? null : <span class="tag tag-plain">{detail.state}</span>}
        {node.value === undefined ? null : <FreshnessTag node={node.value} />}
        <code class="title-id muted">
          <UntrustedText text={containerId} />
        </code>
      </div>
      {node.problem === undefined ? null : <ProblemNote problem={node.problem} onRetry={node.reload} />}
      {answer.problem === undefined ? null : <ProblemNote problem={answer.problem} onRetry={answer.reload} />}
      {answer.value === undefined && answer.problem === undefined ? <LoadingNote what="the container" /> : null}
      {answer.value === undefined ? null : <Missing answer={answer.value} stored={stored} />}
      {detail === undefined ? null : <Live detail={detail} atMs={answer.atMs} onReload={answer.reload} />}
      <FindingsCard title="Open findings of this container" filter={filter} />
      <Card title="History" aside={name === undefined ? undefined : <span>of containers with this name</span>}>
        {name === undefined ? (
          <EmptyNote>The name of this container is not known.</EmptyNote>
        ) : (
          <History key={name} nodeId={nodeId} subject={name} />
        )}
      </Card>
    </>
  );
}

/** The container as its node answers now, and again when its findings change. */
function useDetail({
  nodeId,
  containerId,
  isConnected,
}: {
  readonly nodeId: string;
  readonly containerId: string;
  readonly isConnected: boolean;
}) {
  const { api } = useServices();
  const loaded = useLoad(`container ${nodeId} ${containerId} ${String(isConnected)}`, (signal) => {
    const expression = containerDetailExpression(containerId);
    if (expression !== undefined) return askNode(api, { nodeId, expression, schema: containerDetails }, signal);
    return Promise.resolve({ ok: true, value: { outcome: 'ok', value: [], unread: [], truncated: false } } as const);
  });
  useReloadOn(
    (item) => item.type === 'finding' && item.event.finding.subject.id === containerId,
    loaded.reload,
    RELOAD_EVERY_MS,
  );
  return loaded;
}

function Missing({
  answer,
  stored,
}: {
  readonly answer: NodeAnswer<readonly ContainerDetail[] | null>;
  readonly stored: NodeDetail['containers'][number] | undefined;
}): JSX.Element | null {
  if (answer.outcome === 'ok' && (answer.value?.length ?? 0) > 0) return null;
  return (
    <Card title="Container">
      <EmptyNote>
        {answer.outcome === 'ok' && answer.value === null ? (
          <UntrustedText text={unreadText('containers', answer.unread)} />
        ) : null}
        {answer.outcome === 'ok' && answer.value !== null
          ? 'The node lists no container with this id: it was removed, or it could not be inspected.'
          : null}
        {answer.outcome === 'failed' ? (
          <>
            The node could not answer: <UntrustedText text={answer.message} />. Stored:
          </>
        ) : null}
        {answer.outcome === 'offline'
          ? `The node is offline${answer.sinceMs === 0 ? '' : ` since ${dateTime(answer.sinceMs)}`}. Stored:`
          : null}
      </EmptyNote>
      {stored === undefined ? null : (
        <FactList
          rows={[
            { name: 'image', value: stored.image, weakness: '' },
            { name: 'image id', value: stored.imageId, weakness: '' },
            { name: 'started', value: startText(stored.startedAt), weakness: '' },
          ]}
        />
      )}
    </Card>
  );
}

function Live({
  detail,
  atMs,
  onReload,
}: {
  readonly detail: ContainerDetail;
  readonly atMs: number;
  readonly onReload: () => void;
}): JSX.Element {
  const { live, imageId, engine, restartPolicy } = detail;
  const compared = compareContainer(live, { bytes, count });
  return (
    <>
      <div class="node-grid">
        <Card title="Identity">
          <FactList
            rows={[
              { name: 'started', value: startText(live.startedAt), weakness: '' },
              { name: 'first process', value: live.pid === 0 ? 'none' : String(live.pid), weakness: '' },
              { name: 'processes', value: live.processes === null ? 'not read' : count(live.processes), weakness: '' },
              { name: 'restart policy', value: restartPolicy === '' ? 'no' : restartPolicy, weakness: '' },
              { name: 'engine', value: engine, weakness: '' },
            ]}
          />
        </Card>
        <Card title="Image">
          <FactList
            rows={[
              { name: 'reference', value: live.image, weakness: '' },
              { name: 'id', value: shortId(imageId), weakness: '' },
            ]}
          />
          <p>
            <a href={imageHash(imageId)}>This image on all nodes</a>
          </p>
        </Card>
        <ContainerResources detail={detail} part="devices" />
      </div>
      {live.pid === 0 ? null : (
        <Card
          className="card-containers"
          title="Declared and effective settings"
          aside={
            <>
              <span class="muted">answered {clockTime(atMs)}</span>{' '}
              <button type="button" class="button" onClick={onReload}>
                Refresh
              </button>
            </>
          }
        >
          <SettingTable name={live.name} settings={compared.settings} />
        </Card>
      )}
      <ContainerResources detail={detail} part="mounts" />
      <ContainerResources detail={detail} part="ports" />
    </>
  );
}

function startText(startedAt: string): string {
  const startedMs = Date.parse(startedAt);
  return Number.isNaN(startedMs) ? 'never' : dateTime(startedMs);
}
