import type { JSX } from 'preact';
import { useId, useRef, useState } from 'preact/hooks';
import { removedNode } from '../../api/node.ts';
import type { FleetNode } from '../../api/node.ts';
import { safe } from '../../api/safe.ts';
import type { RequestFailure } from '../../api/client.ts';
import { Card } from '../part/card.tsx';
import { useDenial } from '../hook/use-denial.ts';
import { ProblemNote } from '../part/note.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { useServices } from '../services.ts';
import { counted } from '../../api/format.ts';

/** For a node that is not connected: a way to have the collector remove it, after a question. */
export function RemoveCard({ node }: { readonly node: FleetNode }): JSX.Element {
  const { api, announce } = useServices();
  const dialog = useRef<HTMLDialogElement>(null);
  const [problem, setProblem] = useState<RequestFailure>();
  const [isUnderWay, setUnderWay] = useState(false);
  const id = useId();
  const denial = useDenial('removeNode');
  const open = (): void => {
    setProblem(undefined);
    dialog.current?.showModal();
  };
  const remove = async (): Promise<void> => {
    setUnderWay(true);
    const answer = await api.delete(`/v1/nodes/${encodeURIComponent(node.id)}`, removedNode);
    setUnderWay(false);
    // Somebody else may have been first: what was wanted is so.
    if (!answer.ok && answer.problem.kind !== 'notFound') return setProblem(answer.problem);
    dialog.current?.close();
    location.hash = '#/';
    announce(`${safe(node.name)} was removed.`);
  };
  return (
    <Card title="Not coming back?" className="card-remove">
      <p>
        A node that is not connected can be removed. The collector then deletes its findings, keeps their history, and
        no longer counts the node.
      </p>
      <button type="button" class="button" aria-haspopup="dialog" disabled={denial !== undefined} onClick={open}>
        Remove this node …
      </button>
      {denial === undefined ? null : <p class="muted">{denial}</p>}
      <dialog
        ref={dialog}
        class="question"
        role="alertdialog"
        aria-labelledby={`${id}-title`}
        aria-describedby={`${id}-text`}
      >
        <h2 id={`${id}-title`}>
          Remove <UntrustedText text={node.name} />?
        </h2>
        <p id={`${id}-text`}>{consequence(node)}</p>
        {problem === undefined ? null : <ProblemNote problem={problem} />}
        <div class="question-answers">
          <button type="button" class="button" onClick={() => dialog.current?.close()}>
            Keep it
          </button>
          <button type="button" class="button button-primary" disabled={isUnderWay} onClick={() => void remove()}>
            Remove it
          </button>
        </div>
      </dialog>
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
