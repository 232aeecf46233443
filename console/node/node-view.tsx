import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import { nodeDetail } from '../../api/node.ts';
import { NO_FILTER } from '../filter.ts';
import { FindingsCard } from '../findings/findings-card.tsx';
import { useCell } from '../hook/use-cell.ts';
import { useReloadOn } from '../hook/use-live.ts';
import { useLoad } from '../hook/use-load.ts';
import { EmptyNote, LoadingNote, ProblemNote } from '../part/note.tsx';
import { FailureBar } from '../part/failure-bar.tsx';
import { FreshnessTag } from '../part/freshness-tag.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { useServices } from '../services.ts';
import { ContainersCard } from './containers-card.tsx';
import { RemoveCard } from './remove-card.tsx';
import { IdentityCard } from './identity-card.tsx';
import { LiveFactCards } from './live-fact-cards.tsx';
import { StatusCard } from './status-card.tsx';

const RELOAD_EVERY_MS = 3000;
const UNKNOWN = 'No node has this id or name.';
const GONE = 'This node was removed.';

/** A node with its identity, status, kernel, runtime, containers and failures. */
export function NodeView({ nodeId }: { readonly nodeId: string }): JSX.Element {
  const { api, fleet } = useServices();
  const { value, problem, reload } = useLoad(`node ${nodeId}`, (signal) =>
    api.get(`/v1/nodes/${encodeURIComponent(nodeId)}`, nodeDetail, signal),
  );
  useReloadOn(
    (item) =>
      (item.type === 'node' && item.node.id === value?.id && item.node.containerCount !== value.containerCount) ||
      (item.type === 'nodeRemoved' && item.nodeId === value?.id) ||
      (item.type === 'finding' && item.event.finding.nodeId === value?.id),
    reload,
    RELOAD_EVERY_MS,
  );
  // The event stream updates the fleet with each heartbeat; the answer above stays as it was read.
  const live = useCell(fleet).nodes.find(({ id }) => id === value?.id);
  const isUnknown = problem?.kind === 'notFound';
  return (
    <>
      <p class="crumbs">
        <a href="#/">Fleet</a> / node
      </p>
      <div class="title-line">
        <h1 tabIndex={-1}>
          <UntrustedText text={value?.name ?? nodeId} />
        </h1>
        {value === undefined || isUnknown ? null : <FreshnessTag node={live ?? value} />}
        {value === undefined || isUnknown ? null : <FailureBar failures={value.counts.failures} />}
      </div>
      {isUnknown ? <EmptyNote>{value === undefined ? UNKNOWN : GONE}</EmptyNote> : null}
      {problem === undefined || isUnknown ? null : <ProblemNote problem={problem} onRetry={reload} />}
      {value === undefined && problem === undefined ? <LoadingNote what="the node" /> : null}
      {value === undefined || isUnknown ? null : (
        <>
          <div class="node-grid">
            <div>
              <IdentityCard node={{ ...value, ...live }} />
              <StatusCard nodeId={value.id} isConnected={(live ?? value).connected} />
            </div>
            <div>
              <LiveFactCards node={value} isConnected={(live ?? value).connected} />
            </div>
          </div>
          <ContainersCard node={value} isConnected={(live ?? value).connected} />
          <NodeFindings nodeId={value.id} />
          {(live ?? value).connected ? null : <RemoveCard node={value} />}
        </>
      )}
    </>
  );
}

function NodeFindings({ nodeId }: { readonly nodeId: string }): JSX.Element {
  const filter = useMemo(
    () => ({ ...NO_FILTER, nodes: [nodeId], verdicts: ['fail' as const], state: 'open' as const }),
    [nodeId],
  );
  return <FindingsCard title="Failures on this node" filter={filter} />;
}
