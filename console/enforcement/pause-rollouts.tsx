import type { JSX } from 'preact';
import { rolloutPause } from '../../api/rollout.ts';
import { useDenial } from '../hook/use-denial.ts';
import { QuestionButton } from '../part/question.tsx';
import { useServices } from '../services.ts';

/** Says whether rollouts are paused, and pauses or resumes them after a question. */
export function PauseRollouts({
  isPaused,
  onChanged,
}: {
  readonly isPaused: boolean;
  readonly onChanged: () => void;
}): JSX.Element {
  const { api, announce } = useServices();
  const denial = useDenial('pauseRollouts');
  return (
    <section class="card" aria-label="Pause">
      <p>
        <strong>{isPaused ? 'Rollouts are paused.' : 'Rollouts are not paused.'}</strong>{' '}
        {isPaused ? 'Nothing begins; what runs is still watched, and rolled back if it fails.' : ''}
      </p>
      <QuestionButton
        label={isPaused ? 'Resume …' : 'Pause …'}
        title={isPaused ? 'Resume all rollouts?' : 'Pause all rollouts?'}
        yes={isPaused ? 'Resume' : 'Pause'}
        no="Cancel"
        isDisabled={denial !== undefined}
        onYes={async () => {
          const answer = await api.post('/v1/rollouts/pause', rolloutPause, { body: { isPaused: !isPaused } });
          if (!answer.ok) return answer.problem;
          announce(answer.value.isPaused ? 'Rollouts are paused.' : 'Rollouts are resumed.');
          onChanged();
          return undefined;
        }}
      >
        {isPaused
          ? 'What is approved, or needs no approval, begins at once.'
          : 'No rollout and no response begins until somebody resumes them. What runs is still watched, and rolled back if it fails.'}{' '}
        The audit log records who did it.
      </QuestionButton>
      {denial === undefined ? null : <p class="muted">{denial}</p>}
    </section>
  );
}
