import { workloadName } from '../../api/rollout.ts';
import { safe } from '../../api/safe.ts';
import type { PlanEntry } from '../../policy/rollout/plan.ts';
import type { Context } from '../context.ts';
import type { Cell, Column } from '../render/table.ts';

/** Columns of a list of rollouts. */
export const ROLLOUT_COLUMNS: readonly Column[] = Object.freeze([
  // An id is what the next command needs.
  { title: 'ID', min: 16 },
  { title: 'WORKLOAD' },
  { title: 'ACTION' },
  { title: 'STATE', min: 16 },
  { title: 'POLICY', wide: true },
  { title: 'IMAGES', wide: true },
  { title: 'WHY', min: 12 },
]);

/** What a row shows. */
export type RolloutRow = Pick<PlanEntry, 'id' | 'policy' | 'changes' | 'reasons' | 'note'> & {
  readonly workload: { readonly kind: string; readonly namespace: string; readonly name: string };
  readonly action: string;
  readonly state: string;
};

/** The row of a rollout. */
export function rolloutCells(
  { paint }: Pick<Context, 'paint'>,
  { id, policy, workload, action, state, changes, reasons, note }: RolloutRow,
): readonly Cell[] {
  const images = changes.map(({ container, to }) => `${container}: ${to === '' ? 'a new image is wanted' : to}`);
  const why = [...(note === '' ? [] : [note]), ...reasons].join('; ');
  return [
    { text: id },
    { text: safe(workloadName(workload)) },
    { text: action },
    state === 'awaitingApproval' ? { text: state, paint: paint.bad } : { text: state },
    { text: policy },
    { text: safe(images.join(', ')) },
    { text: safe(why) },
  ];
}
