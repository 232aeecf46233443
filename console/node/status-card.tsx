import type { JSX } from 'preact';
import type { RequestFailure } from '../../api/client.ts';
import { dateTime, span } from '../../api/format.ts';
import { containerCountRows, nodeStatusRows } from '../../api/node-status-rows.ts';
import { nodeStatusAnswer } from '../../api/node-status.ts';
import type { NodeStatusAnswer } from '../../api/node-status.ts';
import { useLoad } from '../hook/use-load.ts';
import { Card } from '../part/card.tsx';
import { EmptyNote, LoadingNote, ProblemNote } from '../part/note.tsx';
import { useServices } from '../services.ts';
import { FactList } from './fact-list.tsx';

/** How the host is doing, as its agent read it when the card was opened. */
export function StatusCard({ nodeId, isConnected }: { readonly nodeId: string; readonly isConnected: boolean }) {
  const { api } = useServices();
  // The connection is a part of the name: a node that comes back is asked again.
  const { value, problem, reload } = useLoad(`status ${nodeId} ${String(isConnected)}`, (signal) =>
    api.get(`/v1/nodes/${encodeURIComponent(nodeId)}/status`, nodeStatusAnswer, signal),
  );
  return (
    <Card title="Status">
      <Answer answer={value} problem={problem} onRetry={reload} />
      {value?.outcome === 'ok' ? (
        <button type="button" class="button" onClick={reload}>
          Refresh
        </button>
      ) : null}
    </Card>
  );
}

interface AnswerProps {
  readonly answer: NodeStatusAnswer | undefined;
  readonly problem: RequestFailure | undefined;
  readonly onRetry: () => void;
}

function Answer({ answer, problem, onRetry }: AnswerProps): JSX.Element {
  if (problem !== undefined) return <ProblemNote problem={problem} onRetry={onRetry} />;
  switch (answer?.outcome) {
    case undefined:
      return <LoadingNote what="the status from the node" />;
    case 'offline': {
      const since = answer.sinceMs === 0 ? '' : ` since ${dateTime(answer.sinceMs)}`;
      return <EmptyNote>The node is offline{since}.</EmptyNote>;
    }
    case 'timeout':
      return <EmptyNote>The agent did not answer within {span(answer.deadlineMs)}.</EmptyNote>;
    case 'error':
      return <FactList rows={[{ name: 'no answer', value: answer.error, weakness: '' }]} />;
    case 'ok': {
      const containers = containerCountRows(answer).map(({ value }) => ({ name: 'containers', value }));
      const rows = [...nodeStatusRows(answer), ...containers];
      return <FactList rows={rows.map(({ name, value }) => ({ name, value, weakness: '' }))} />;
    }
  }
}
