import type { JSX } from 'preact';
import type { Counts } from '../../api/part.ts';
import { SEVERITIES } from '../../posture/verdict.ts';
import { SeverityMark } from '../part/severity-tag.tsx';
import { VerdictMark } from '../part/verdict-tag.tsx';
import { findingsHash } from '../route.ts';
import { count } from '../../api/format.ts';
import { SEVERITY_LABELS, VERDICT_MEANINGS, VERDICT_LABELS } from '../../api/labels.ts';

/** Verdicts beside the failures, which are counted by severity. */
const OTHER_VERDICTS = ['unknown', 'manual', 'pass', 'notApplicable'] as const;

/** Failures by severity and findings by the other verdicts; each leads to its list. */
export function Totals({ counts }: { readonly counts: Counts }): JSX.Element {
  const severities = SEVERITIES.filter((severity) => severity !== 'info' || counts.failures.info > 0);
  return (
    <section class="totals" aria-label="Totals">
      <ul class="tiles">
        {severities.map((severity) => (
          <li key={severity}>
            <a
              class={`tile sev-${severity} ${counts.failures[severity] === 0 ? 'tile-zero' : ''}`}
              href={findingsHash({ verdicts: ['fail'], state: 'open', severities: [severity] })}
            >
              <span class="tile-count">{count(counts.failures[severity])}</span>
              <span class="tile-word">
                <SeverityMark severity={severity} /> {SEVERITY_LABELS[severity]}
                <span class="visually-hidden"> failures open</span>
              </span>
            </a>
          </li>
        ))}
      </ul>
      <ul class="verdicts">
        {OTHER_VERDICTS.map((verdict) => (
          <li key={verdict}>
            <a href={findingsHash({ verdicts: [verdict], state: 'open' })} title={VERDICT_MEANINGS[verdict]}>
              <VerdictMark verdict={verdict} /> <strong>{count(counts.verdicts[verdict])}</strong>{' '}
              {VERDICT_LABELS[verdict]}
            </a>
          </li>
        ))}
        {counts.waived === 0 ? null : (
          <li>
            <a href={findingsHash({ state: 'waived' })} title="A waiver accepts them.">
              <strong>{count(counts.waived)}</strong> waived
            </a>
          </li>
        )}
      </ul>
    </section>
  );
}
