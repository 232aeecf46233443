import type { JSX } from 'preact';
import type { StoredDenialInfo } from '../../api/denial.ts';
import { DENIAL_OUTCOME_LABELS } from '../../api/denial.ts';
import { SeverityMark } from '../part/severity-tag.tsx';

const SEVERITY_OF = Object.freeze({ denied: 'medium', overridden: 'high', observed: 'info' } as const);

/** What happened to a request that violated a policy: shape and word. */
export function DenialTag({ outcome }: Pick<StoredDenialInfo, 'outcome'>): JSX.Element {
  const severity = SEVERITY_OF[outcome];
  return (
    <span class={`tag tag-sev sev-${severity}`}>
      <SeverityMark severity={severity} />
      {DENIAL_OUTCOME_LABELS[outcome]}
    </span>
  );
}
