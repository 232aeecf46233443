import type { JSX } from 'preact';
import { PERIOD_NAMES } from '../period.ts';
import type { Period } from '../period.ts';
import { ToggleChip } from './toggle-chip.tsx';

/** The period that a list is limited to; none pressed: all times. */
export function PeriodChoices({
  chosen,
  onChosen,
}: {
  readonly chosen: Period | '';
  readonly onChosen: (period: Period | '') => void;
}): JSX.Element {
  return (
    <fieldset>
      <legend>Within</legend>
      {PERIOD_NAMES.map((period) => (
        <ToggleChip key={period} isOn={chosen === period} onToggle={() => onChosen(chosen === period ? '' : period)}>
          {period}
        </ToggleChip>
      ))}
    </fieldset>
  );
}
