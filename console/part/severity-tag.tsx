import type { JSX } from 'preact';
import type { Severity } from '../../posture/verdict.ts';
import { SEVERITY_LABELS } from '../../api/labels.ts';

/** A shape of its own for each severity, so that nobody needs the colour: the fuller, the worse. */
const SHAPES = Object.freeze({
  critical: 'M8 .8 15.2 8 8 15.2.8 8zM7 4v5h2V4zm0 6v2h2v-2z',
  high: 'M8 1.5 15.3 14.5H.7z',
  medium: 'M2 2h12v12H2z',
  low: 'M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2m0 2a4 4 0 1 0 0 8 4 4 0 0 0 0-8',
  info: 'M2 7h12v2H2z',
} satisfies Record<Severity, string>);

/** The shape of a severity; decoration beside its word. */
export function SeverityMark({ severity }: { readonly severity: Severity }): JSX.Element {
  return (
    <svg class={`mark sev-${severity}`} width="12" height="12" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path fill="currentColor" fill-rule="evenodd" d={SHAPES[severity]} />
    </svg>
  );
}

/** A severity: shape and word. `isWorst`: the worst of several. */
export function SeverityTag({
  severity,
  isWorst = false,
}: {
  readonly severity: Severity;
  readonly isWorst?: boolean;
}): JSX.Element {
  return (
    <span class={`tag tag-sev sev-${severity}`}>
      <SeverityMark severity={severity} />
      {isWorst ? 'up to ' : ''}
      {SEVERITY_LABELS[severity]}
    </span>
  );
}
