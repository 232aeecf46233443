import type { JSX } from 'preact';
import { rollout as rolloutSchema, workloadName } from '../../api/rollout.ts';
import type { Rollout } from '../../api/rollout.ts';
import { safe } from '../../api/safe.ts';
import type { RequestFailure } from '../../api/client.ts';
import { useDenial } from '../hook/use-denial.ts';
import { Card } from '../part/card.tsx';
import { QuestionButton } from '../part/question.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { useServices } from '../services.ts';

type Decision = 'approved' | 'rejected';

/** Approves or rejects a planned step, after a question that names exactly what is decided. */
export function RolloutDecision({
  rollout,
  isPaused,
  onDecided,
}: {
  readonly rollout: Rollout;
  readonly isPaused: boolean;
  readonly onDecided: () => void;
}): JSX.Element | null {
  const { api, announce } = useServices();
  const denial = useDenial('decideRollout');
  const { id, isPlanned, action, state, decision } = rollout;
  if (!isPlanned || action === 'none' || action === 'watch' || state === 'dryRun') return null;
  const decide = async (wanted: Decision): Promise<RequestFailure | undefined> => {
    const path = `/v1/rollouts/${encodeURIComponent(id)}/decision`;
    const answer = await api.post(path, rolloutSchema, { body: { decision: wanted } });
    if (!answer.ok) return answer.problem;
    announce(`${safe(workloadName(rollout.workload))}: ${wanted}.`);
    onDecided();
    return undefined;
  };
  const name = <UntrustedText text={workloadName(rollout.workload)} />;
  const isApproved = decision?.decision === 'approved' && !decision.isUsed;
  const isRejected = decision?.decision === 'rejected';
  return (
    <Card title="Decision">
      <p>{explain(state, { isApproved, isRejected })}</p>
      <div class="decision-buttons">
        {isApproved ? null : (
          <QuestionButton
            label="Approve …"
            title={<>Approve for {name}?</>}
            yes="Approve"
            no="Cancel"
            isDisabled={denial !== undefined}
            isPrimary
            onYes={() => decide('approved')}
          >
            <Consequence rollout={rollout} />
            {isPaused ? 'Rollouts are paused: it begins when they are resumed. ' : ''}
            The approval is for exactly this, and counts once. The audit log records who gave it.
          </QuestionButton>
        )}
        {isRejected ? null : (
          <QuestionButton
            label="Reject …"
            title={<>Reject for {name}?</>}
            yes="Reject"
            no="Cancel"
            isDisabled={denial !== undefined}
            onYes={() => decide('rejected')}
          >
            <Consequence rollout={rollout} />
            It is not carried out until somebody approves it. The audit log records who rejected it.
          </QuestionButton>
        )}
      </div>
      {denial === undefined ? null : <p class="muted">{denial}</p>}
    </Card>
  );
}

/** What is decided about. */
function Consequence({ rollout: { action, changes } }: { readonly rollout: Rollout }): JSX.Element {
  return (
    <ul class="decision-changes">
      <li>{action}</li>
      {changes.map(({ container, from, to }) => (
        <li key={container}>
          <UntrustedText text={container} />: <UntrustedText text={from} /> →{' '}
          {to === '' ? 'a new image is wanted' : <UntrustedText text={to} />}
        </li>
      ))}
    </ul>
  );
}

function explain(
  state: string,
  { isApproved, isRejected }: { readonly isApproved: boolean; readonly isRejected: boolean },
): string {
  if (isApproved) return 'It is approved, and begins as soon as nothing else comes first.';
  if (isRejected) return 'It is rejected.';
  return state === 'awaitingApproval' ? 'It waits for an approval.' : 'It needs no approval now; it can be rejected.';
}
