import type { JSX } from 'preact';
import type { NodeDetail } from '../../api/node.ts';
import { useLoad } from '../hook/use-load.ts';
import { Card, Scroll } from '../part/card.tsx';
import { EmptyNote, LoadingNote, ProblemNote } from '../part/note.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { useServices } from '../services.ts';
import { dateTime } from '../../api/format.ts';
import { askNode } from './ask-node.ts';
import { FactList } from './fact-list.tsx';
import { kernelRows, NODE_EXPRESSION, nodeFacts, runtimeRows } from './node-facts.ts';
import type { NodeFacts } from './node-facts.ts';

/** Kernel and runtime, as the node answers now; when it is offline, what was stored of them. */
export function LiveFactCards({
  node,
  isConnected,
}: {
  readonly node: NodeDetail;
  readonly isConnected: boolean;
}): JSX.Element {
  const { api } = useServices();
  const asked = useLoad(`facts ${node.id} ${String(isConnected)}`, (signal) =>
    askNode(api, { nodeId: node.id, expression: NODE_EXPRESSION, schema: nodeFacts }, signal),
  );
  const answer = asked.value;
  if (answer?.outcome === 'ok')
    return (
      <>
        <Card title="Kernel">
          <FactList rows={kernelRows(answer.value, answer.unread)} />
          <Sysctls sysctls={answer.value.kernel.sysctls} />
        </Card>
        <Card title="Runtime">
          <FactList rows={runtimeRows(answer.value, answer.unread)} />
        </Card>
      </>
    );
  return (
    <>
      <Card title="Kernel">
        <Fallback asked={asked} answer={answer} />
        <FactList
          rows={[
            { name: 'release', value: node.kernelRelease, weakness: '' },
            {
              name: 'security modules',
              value: node.securityModules === '' ? 'not read' : node.securityModules.replaceAll(',', ', '),
              weakness: '',
            },
          ]}
        />
      </Card>
      <Card title="Runtime">
        <FactList rows={[{ name: 'engine', value: node.runtime === '' ? 'none' : node.runtime, weakness: '' }]} />
      </Card>
    </>
  );
}

function Fallback({
  asked,
  answer,
}: {
  readonly asked: ReturnType<typeof useLoad<unknown>>;
  readonly answer: { readonly outcome: string; readonly sinceMs?: number; readonly message?: string } | undefined;
}): JSX.Element {
  if (asked.problem !== undefined) return <ProblemNote problem={asked.problem} onRetry={asked.reload} />;
  if (answer === undefined) return <LoadingNote what="the kernel's state from the node" />;
  if (answer.outcome === 'offline') {
    const since = answer.sinceMs === undefined || answer.sinceMs === 0 ? '' : ` since ${dateTime(answer.sinceMs)}`;
    return <EmptyNote>The node is offline{since}. What is stored of it:</EmptyNote>;
  }
  return (
    <div class="note note-problem" role="alert">
      <p>
        The node could not answer: <UntrustedText text={answer.message ?? ''} />
      </p>
      <button type="button" class="button" onClick={asked.reload}>
        Refresh
      </button>
    </div>
  );
}

function Sysctls({ sysctls }: { readonly sysctls: NodeFacts['kernel']['sysctls'] }): JSX.Element {
  const names = Object.keys(sysctls).toSorted();
  return (
    <details class="more">
      <summary>{names.length} kernel settings</summary>
      <Scroll label="Kernel settings">
        <table>
          <thead>
            <tr>
              <th scope="col">Setting</th>
              <th scope="col">Value</th>
            </tr>
          </thead>
          <tbody>
            {names.map((name) => (
              <tr key={name}>
                <th scope="row">
                  <code>
                    <UntrustedText text={name} />
                  </code>
                </th>
                <td>
                  <UntrustedText text={sysctls[name] ?? 'not there'} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </details>
  );
}
