import type { JSX } from 'preact';
import type { Severity } from '../../posture/verdict.ts';
import { PLOTTED } from '../fleet/trend.ts';
import { count } from '../../api/format.ts';
import { SEVERITY_LABELS } from '../../api/labels.ts';
import { SeverityMark } from './severity-tag.tsx';

/** Failures by severity: the shape and the number of each that there is. Undefined: not read yet. */
export function FailureBar({
  failures,
}: {
  readonly failures: Readonly<Record<Severity, number>> | undefined;
}): JSX.Element {
  if (failures === undefined) return <span class="muted">…</span>;
  const present = PLOTTED.filter((severity) => failures[severity] > 0);
  if (present.length === 0) return <span class="muted">none</span>;
  return (
    <ul class="failure-bar">
      {present.map((severity) => (
        <li key={severity} class={`sev-${severity}`} title={SEVERITY_LABELS[severity]}>
          <SeverityMark severity={severity} />
          {count(failures[severity])}
          <span class="visually-hidden"> {SEVERITY_LABELS[severity]}</span>
        </li>
      ))}
    </ul>
  );
}
