import type { JSX } from 'preact';
import { counted } from '../../api/format.ts';
import { rolloutList, workloadName } from '../../api/rollout.ts';
import type { Rollout } from '../../api/rollout.ts';
import { replaceHash } from '../hook/use-hash.ts';
import { useLoad } from '../hook/use-load.ts';
import { Card } from '../part/card.tsx';
import { DataTable } from '../part/data-table.tsx';
import { EmptyNote, LoadingNote, ProblemNote } from '../part/note.tsx';
import { Ago } from '../part/time-text.tsx';
import { ToggleChip } from '../part/toggle-chip.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { rolloutHash, rolloutsHash } from '../route.ts';
import { useServices } from '../services.ts';
import { BudgetCards } from './budget-cards.tsx';
import { PauseRollouts } from './pause-rollouts.tsx';
import { groupRollouts, ROLLOUT_GROUP_LABELS, ROLLOUT_GROUPS, stateLabel } from './rollout-groups.ts';
import type { RolloutGroup } from './rollout-groups.ts';
import { PolicySections } from './section-links.tsx';

/** How often rollouts are read again: the collector sends no events of them to the page. */
export const ROLLOUT_REFRESH_MS = 5_000;

/** Rollouts and responses: what waits for a person, runs, is planned and was done. */
export function RolloutsView({ withNothing }: { readonly withNothing: boolean }): JSX.Element {
  const { api } = useServices();
  const { value, problem, reload } = useLoad(
    'rollouts',
    (signal) => api.get('/v1/rollouts', rolloutList, signal),
    ROLLOUT_REFRESH_MS,
  );
  const groups = groupRollouts(value?.rollouts ?? []);
  const shown = ROLLOUT_GROUPS.filter((group) => group !== 'nothing' || withNothing).flatMap((group) => {
    const rollouts = groups.get(group) ?? [];
    return rollouts.length === 0 ? [] : [{ group, rollouts }];
  });
  const isUnused = problem?.kind === 'notFound';
  return (
    <>
      <h1 tabIndex={-1}>Rollouts</h1>
      <PolicySections current="Rollouts" />
      {isUnused ? (
        <EmptyNote>The collector has no image policies, so nothing is rolled out: start it with --policies.</EmptyNote>
      ) : problem === undefined ? null : (
        <ProblemNote problem={problem} onRetry={reload} />
      )}
      {value === undefined && problem === undefined ? <LoadingNote what="the rollouts" /> : null}
      {value === undefined || isUnused ? null : (
        <>
          <PauseRollouts isPaused={value.isPaused} onChanged={reload} />
          <div class="filters">
            <div class="filter-groups">
              <p class="muted" role="status">
                {value.plannedMs === null ? (
                  'No plan was reported since the collector started: does plimsoll rollout run?'
                ) : (
                  <>
                    The plan was reported <Ago atMs={value.plannedMs} />.
                  </>
                )}
              </p>
              <ToggleChip isOn={withNothing} onToggle={() => replaceHash(rolloutsHash(!withNothing))}>
                also workloads with nothing to do
              </ToggleChip>
            </div>
          </div>
          {shown.length === 0 ? (
            <EmptyNote>
              {value.rollouts.length > 0 ? 'Nothing is to be done, and nothing was done.' : 'No rollouts.'}
            </EmptyNote>
          ) : null}
          {shown.map(({ group, rollouts }) => (
            <GroupCard key={group} group={group} rollouts={rollouts} />
          ))}
          <BudgetCards budgets={value.budgets} windows={value.windows} />
        </>
      )}
    </>
  );
}

function GroupCard({
  group,
  rollouts,
}: {
  readonly group: RolloutGroup;
  readonly rollouts: readonly Rollout[];
}): JSX.Element {
  const title = ROLLOUT_GROUP_LABELS[group];
  return (
    <Card title={title} aside={counted(rollouts.length, 'workload')}>
      <DataTable
        label={`Rollouts: ${title}`}
        columns={['Workload', 'State', 'Action', 'New image', 'Why', 'Policy']}
        rows={rollouts.map((one) => ({
          key: one.id,
          cells: [
            <a href={rolloutHash(one.id)}>
              <UntrustedText text={workloadName(one.workload)} />
            </a>,
            stateLabel(one.state),
            one.action,
            imagesText(one),
            [...(one.note === '' ? [] : [one.note]), ...one.reasons].join('; ') || null,
            one.policy,
          ],
        }))}
      />
    </Card>
  );
}

function imagesText({ changes }: Rollout): string | null {
  if (changes.length === 0) return null;
  return changes.map(({ container, to }) => `${container}: ${to === '' ? 'a new image is wanted' : to}`).join(', ');
}
