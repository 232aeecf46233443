import type { JSX } from 'preact';
import type { Severity, Verdict } from '../../posture/verdict.ts';
import { VERDICT_LABELS } from '../../api/labels.ts';
import { SeverityTag } from './severity-tag.tsx';

const SIGNS = Object.freeze({
  fail: 'M3.4 2 8 6.6 12.6 2 14 3.4 9.4 8l4.6 4.6-1.4 1.4L8 9.4 3.4 14 2 12.6 6.6 8 2 3.4z',
  unknown:
    'M7 10.5h2V9.6c0-.7.4-1 1.1-1.6C11 7.300 12 6.400 12 4.800 12 2.700 10.300 1.500 8 1.500 5.800 1.500 4.200 2.700 4 4.900h2C6.200 3.800 6.900 3.300 8 3.300c1.200 0 1.900.6 1.900 1.500 0 .8-.5 1.200-1.300 1.900C7.700 7.400 7 8.100 7 9.400zM7 12.500h2v2H7z',
  manual: 'M3 1h10v14H3zm2 2v10h6V3zm1 2h4v1.500H6zm0 3h4v1.500H6z',
  pass: 'm1.500 8.500 1.400-1.400L6 10.200l7.100-7.100 1.400 1.400L6 13z',
  notApplicable: 'M2 7h12v2H2z',
} satisfies Record<Verdict, string>);

/** The sign of a verdict; decoration beside its word. */
export function VerdictMark({ verdict }: { readonly verdict: Verdict }): JSX.Element {
  return (
    <svg class={`mark ver-${verdict}`} width="12" height="12" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path fill="currentColor" fill-rule="evenodd" d={SIGNS[verdict]} />
    </svg>
  );
}

/** A verdict: sign and word. */
export function VerdictTag({ verdict }: { readonly verdict: Verdict }): JSX.Element {
  return (
    <span class={`tag tag-ver ver-${verdict}`}>
      <VerdictMark verdict={verdict} />
      {VERDICT_LABELS[verdict]}
    </span>
  );
}

/** How a finding is labelled in a list: its severity where it fails, otherwise its verdict. */
export function FindingTag(finding: { readonly verdict: Verdict; readonly severity: Severity }): JSX.Element {
  return finding.verdict === 'fail' ? (
    <SeverityTag severity={finding.severity} />
  ) : (
    <VerdictTag verdict={finding.verdict} />
  );
}

/** A waiver accepts the finding. */
export function WaivedTag(): JSX.Element {
  return <span class="tag tag-ver ver-notApplicable">waived</span>;
}
