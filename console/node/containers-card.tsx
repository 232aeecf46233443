import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import type { NodeDetail } from '../../api/node.ts';
import { compareContainers } from '../../posture/compare/compare.ts';
import type { ComparedContainer } from '../../posture/compare/compare.ts';
import { CONTAINER_EXPRESSION, liveContainers } from '../../posture/compare/container.ts';
import { useReloadOn } from '../hook/use-live.ts';
import { useLoad } from '../hook/use-load.ts';
import { Card } from '../part/card.tsx';
import { EmptyNote, LoadingNote, ProblemNote } from '../part/note.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { useServices } from '../services.ts';
import { bytes, clockTime, count, counted, dateTime } from '../../api/format.ts';
import { askNode } from './ask-node.ts';
import { ContainerItem } from './container-item.tsx';
import { StoredContainers } from './stored-containers.tsx';

const RELOAD_EVERY_MS = 3000;
/** Containers that are listed before somebody asks for all. */
const SHOWN = 50;

/** The containers of a node as it answers now; when it is offline, those that are stored. */
export function ContainersCard({
  node,
  isConnected,
}: {
  readonly node: NodeDetail;
  readonly isConnected: boolean;
}): JSX.Element {
  const { api } = useServices();
  const asked = useLoad(`containers ${node.id} ${String(isConnected)}`, (signal) =>
    askNode(api, { nodeId: node.id, expression: CONTAINER_EXPRESSION, schema: liveContainers }, signal),
  );
  useReloadOn(
    (item) => item.type === 'finding' && item.event.finding.nodeId === node.id,
    asked.reload,
    RELOAD_EVERY_MS,
  );
  const answer = asked.value;
  const containers = answer?.outcome === 'ok' ? answer.value : undefined;
  const compared = useMemo(() => compareContainers(containers ?? [], { bytes, count }), [containers]);
  const aside =
    answer?.outcome === 'ok' ? (
      <>
        <span class="muted">answered {clockTime(asked.atMs)}</span>{' '}
        <button type="button" class="button" onClick={asked.reload}>
          Refresh
        </button>
      </>
    ) : undefined;
  return (
    <Card
      className="card-containers"
      title={answer === undefined || answer.outcome === 'ok' ? 'Containers: declared beside effective' : 'Containers'}
      aside={aside}
    >
      {asked.problem === undefined ? null : <ProblemNote problem={asked.problem} onRetry={asked.reload} />}
      {answer === undefined && asked.problem === undefined ? <LoadingNote what="the containers from the node" /> : null}
      {answer?.outcome === 'failed' ? (
        <EmptyNote>
          The node could not answer: <UntrustedText text={answer.message} />. Stored containers:
        </EmptyNote>
      ) : null}
      {answer?.outcome === 'offline' ? (
        <EmptyNote>
          The node is offline{answer.sinceMs === 0 ? '' : ` since ${dateTime(answer.sinceMs)}`}. Stored containers:
        </EmptyNote>
      ) : null}
      {answer !== undefined && answer.outcome !== 'ok' ? <StoredContainers node={node} /> : null}
      {containers === null ? <EmptyNote>No container engine answers on this node.</EmptyNote> : null}
      {containers?.length === 0 ? <EmptyNote>No running containers.</EmptyNote> : null}
      {compared.length === 0 ? null : (
        <Compared nodeId={node.id} compared={compared} unread={answer?.outcome === 'ok' ? answer.unread : []} />
      )}
      {answer?.outcome === 'ok' && answer.truncated ? (
        <EmptyNote>The answer is truncated: the node has more containers than fit into it.</EmptyNote>
      ) : null}
    </Card>
  );
}

function Compared({
  nodeId,
  compared,
  unread,
}: {
  readonly nodeId: string;
  readonly compared: readonly ComparedContainer[];
  readonly unread: readonly string[];
}): JSX.Element {
  const [isWhole, setWhole] = useState(false);
  const differing = compared.filter(({ differences }) => differences > 0).length;
  const shown = isWhole ? compared : compared.slice(0, SHOWN);
  return (
    <>
      <p class="containers-sentence">
        {counted(compared.length, 'container')} running;{' '}
        {differing === 0
          ? 'the kernel enforces what was declared.'
          : `${count(differing)} of them differ from what was declared.`}
      </p>
      <ul class="containers">
        {shown.map((one, index) => (
          <ContainerItem key={one.container.id} nodeId={nodeId} compared={one} unread={unread} isOpen={index === 0} />
        ))}
      </ul>
      {shown.length < compared.length ? (
        <button type="button" class="link" onClick={() => setWhole(true)}>
          Show all {count(compared.length)} containers
        </button>
      ) : null}
    </>
  );
}
