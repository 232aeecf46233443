import type { ComponentChildren, JSX } from 'preact';
import { SEVERITIES } from '../../posture/verdict.ts';
import type { Severity } from '../../posture/verdict.ts';
import { toggled } from '../filter.ts';
import { SEVERITY_LABELS } from '../../api/labels.ts';
import { SeverityMark } from './severity-tag.tsx';
import { ToggleChip } from './toggle-chip.tsx';

/** What a list is narrowed to: any of several words, each a button; none pressed means all. */
export function Choices<T extends string>({
  legend,
  words,
  chosen,
  onChosen,
  children,
}: {
  readonly legend: string;
  readonly words: readonly T[];
  readonly chosen: readonly T[];
  readonly onChosen: (chosen: readonly T[]) => void;
  /** The text on the button of a word. */
  readonly children: (word: T) => ComponentChildren;
}): JSX.Element {
  return (
    <fieldset>
      <legend>{legend}</legend>
      {words.map((word) => (
        <ToggleChip key={word} isOn={chosen.includes(word)} onToggle={() => onChosen(toggled(chosen, word))}>
          {children(word)}
        </ToggleChip>
      ))}
    </fieldset>
  );
}

/** The severities that a list is narrowed to. */
export function SeverityChoices({
  chosen,
  onChosen,
}: {
  readonly chosen: readonly Severity[];
  readonly onChosen: (chosen: readonly Severity[]) => void;
}): JSX.Element {
  return (
    <Choices legend="Severity" words={SEVERITIES} chosen={chosen} onChosen={onChosen}>
      {(severity) => (
        <>
          <SeverityMark severity={severity} /> {SEVERITY_LABELS[severity]}
        </>
      )}
    </Choices>
  );
}
