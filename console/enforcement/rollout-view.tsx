import type { JSX } from 'preact';
import { counted, dateTime } from '../../api/format.ts';
import { rolloutList, workloadName } from '../../api/rollout.ts';
import type { Rollout } from '../../api/rollout.ts';
import { useLoad } from '../hook/use-load.ts';
import { FactList } from '../node/fact-list.tsx';
import type { FactRow } from '../node/node-facts.ts';
import { Card } from '../part/card.tsx';
import { DataTable } from '../part/data-table.tsx';
import { EmptyNote, LoadingNote, ProblemNote } from '../part/note.tsx';
import { Moment } from '../part/time-text.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { rolloutsHash } from '../route.ts';
import { useServices } from '../services.ts';
import { RolloutDecision } from './rollout-decision.tsx';
import { stateLabel } from './rollout-groups.ts';
import { ROLLOUT_REFRESH_MS } from './rollouts-view.tsx';

/** One rollout: what it changes and why, who decided about it, and what was done. */
export function RolloutView({ rolloutId }: { readonly rolloutId: string }): JSX.Element {
  const { api } = useServices();
  const { value, problem, reload } = useLoad(
    'rollouts',
    (signal) => api.get('/v1/rollouts', rolloutList, signal),
    ROLLOUT_REFRESH_MS,
  );
  const rollout = value?.rollouts.find(({ id }) => id === rolloutId);
  return (
    <>
      <p class="crumbs">
        <a href={rolloutsHash()}>Rollouts</a> / rollout
      </p>
      <h1 tabIndex={-1}>
        <UntrustedText text={rollout === undefined ? rolloutId : workloadName(rollout.workload)} />
      </h1>
      {problem === undefined ? null : <ProblemNote problem={problem} onRetry={reload} />}
      {value === undefined && problem === undefined ? <LoadingNote what="the rollout" /> : null}
      {value !== undefined && rollout === undefined ? (
        <EmptyNote>
          This step is not planned any more, and nothing of it was carried out. A plan with other images has another id:
          see the list of rollouts.
        </EmptyNote>
      ) : null}
      {rollout === undefined ? null : (
        <>
          <RolloutDecision rollout={rollout} isPaused={value?.isPaused === true} onDecided={reload} />
          <Details rollout={rollout} />
        </>
      )}
    </>
  );
}

function Details({ rollout }: { readonly rollout: Rollout }): JSX.Element {
  const { changes, steps } = rollout;
  return (
    <>
      <Card title="Step">
        <FactList rows={rowsOf(rollout)} />
      </Card>
      {changes.length === 0 ? null : (
        <Card title="Images" aside={counted(changes.length, 'container')}>
          <DataTable
            label="Images that are replaced"
            columns={['Container', 'From', 'To']}
            rows={changes.map(({ container, from, to }) => ({
              key: container,
              cells: [container, from, to === '' ? 'a new image is wanted' : to],
            }))}
          />
        </Card>
      )}
      <Card title="History" aside={counted(steps.length, 'step')}>
        {steps.length === 0 ? (
          <EmptyNote>Nothing of it was carried out.</EmptyNote>
        ) : (
          <DataTable
            label="What was carried out"
            columns={['When', 'State', 'Note']}
            rows={steps.map(({ atMs, state, note }, index) => ({
              key: String(index),
              cells: [<Moment atMs={atMs} />, stateLabel(state), note === '' ? null : note],
            }))}
          />
        )}
      </Card>
    </>
  );
}

function rowsOf({ id, policy, action, state, note, reasons, decision }: Rollout): readonly FactRow[] {
  const row = (name: string, value: string): FactRow => ({ name, value, weakness: '' });
  return [
    row('id', id),
    row('policy', policy),
    row('action', action),
    row('state', note === '' ? stateLabel(state) : `${stateLabel(state)}: ${note}`),
    ...reasons.map((reason) => row('because', reason)),
    row(
      'decision',
      decision === null
        ? 'nobody has decided'
        : `${decision.decision} by ${decision.by} at ${dateTime(decision.atMs)}${decision.isUsed ? ', used' : ''}`,
    ),
  ];
}
