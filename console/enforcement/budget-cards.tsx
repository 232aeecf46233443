import type { JSX } from 'preact';
import { counted } from '../../api/format.ts';
import { budgetLabel } from '../../api/rollout.ts';
import type { RolloutList } from '../../api/rollout.ts';
import { Card } from '../part/card.tsx';
import { DataTable } from '../part/data-table.tsx';
import { Moment } from '../part/time-text.tsx';

/** How much of the budgets of the policies is used, by what, and when their maintenance windows open and close. */
export function BudgetCards({ budgets, windows }: Pick<RolloutList, 'budgets' | 'windows'>): JSX.Element {
  const full = budgets.filter(({ used, limit }) => used >= limit).length;
  return (
    <>
      {budgets.length === 0 ? null : (
        <Card title="Budgets" aside={full === 0 ? 'none is used up' : `${counted(full, 'budget')} used up`}>
          <DataTable
            label="Rollouts: Budgets"
            columns={['Policy', 'Budget', 'Used', 'By', 'Free again']}
            rows={budgets.map((one) => ({
              key: `${one.policy} ${one.budget} ${one.namespace}`,
              cells: [
                one.policy,
                budgetLabel(one),
                `${String(one.used)} of ${String(one.limit)}`,
                usersText(one),
                one.freesMs === null ? null : <Moment atMs={one.freesMs} />,
              ],
            }))}
          />
        </Card>
      )}
      {windows.length === 0 ? null : (
        <Card title="Maintenance windows">
          <DataTable
            label="Rollouts: Maintenance windows"
            columns={['Policy', 'Now', 'Changes']}
            rows={windows.map(({ policy, isOpen, changesMs }) => ({
              key: policy,
              cells: [
                policy,
                isOpen ? 'open' : 'closed',
                changesMs === null ? (
                  'never'
                ) : (
                  <>
                    {isOpen ? 'closes ' : 'opens '}
                    <Moment atMs={changesMs} />
                  </>
                ),
              ],
            }))}
          />
        </Card>
      )}
    </>
  );
}

function usersText({ holders, used }: RolloutList['budgets'][number]): string | null {
  if (holders.length === 0) return null;
  const more = used - holders.length;
  return `${holders.join(', ')}${more > 0 ? ` and ${String(more)} more` : ''}`;
}
