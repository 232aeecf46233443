import type { JSX } from 'preact';
import { removedNode } from '../../api/node.ts';
import type { FleetNode } from '../../api/node.ts';
import { safe } from '../../api/safe.ts';
import type { RequestFailure } from '../../api/client.ts';
import { Card } from '../part/card.tsx';
import { useDenial } from '../hook/use-denial.ts';
import { QuestionButton } from '../part/question.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { useServices } from '../services.ts';
import { counted } from '../../api/format.ts';

/** For a node that is not connected: a way to have the collector remove it, after a question. */
export function RemoveCard({ node }: { readonly node: FleetNode }): JSX.Element {
  const { api, announce } = useServices();
  const denial = useDenial('removeNode');
  const remove = async (): Promise<RequestFailure | undefined> => {
    const answer = await api.delete(`/v1/nodes/${encodeURIComponent(node.id)}`, removedNode);
    // Somebody else may have been first: what was wanted is so.
    if (!answer.ok && answer.problem.kind !== 'notFound') return answer.problem;
    location.hash = '#/';
    announce(`${safe(node.name)} was removed.`);
    return undefined;
  };
  return (
    <Card title="Not coming back?" className="card-remove">
      <p>
        A node that is not connected can be removed. The collector then deletes its findings, keeps their history, and
        no longer counts the node.
      </p>
      <QuestionButton
        label="Remove this node …"
        title={
          <>
            Remove <UntrustedText text={node.name} />?
          </>
        }
        yes="Remove it"
        no="Keep it"
        isDisabled={denial !== undefined}
        onYes={remove}
      >
        {consequence(node)}
      </QuestionButton>
      {denial === undefined ? null : <p class="muted">{denial}</p>}
    </Card>
  );
}

function consequence({ counts: { verdicts } }: FleetNode): string {
  const open = verdicts.fail + verdicts.unknown + verdicts.manual;
  const findings =
    open === 0
      ? 'It has no open findings.'
      : `${counted(open, 'open finding')} will be resolved, here and in every sink.`;
  return `${findings} This cannot be undone; if the node connects again, it is a new one.`;
}
