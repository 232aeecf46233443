import type { JSX } from 'preact';
import { check as checkSchema } from '../../api/check.ts';
import type { FleetFinding } from '../../api/finding.ts';
import { CheckText } from '../check/check-text.tsx';
import { useLoad } from '../hook/use-load.ts';
import { CopyButton } from '../part/copy-button.tsx';
import { LoadingNote, ProblemNote } from '../part/note.tsx';
import { UntrustedText, UntrustedCode } from '../part/untrusted-text.tsx';
import { SeverityTag } from '../part/severity-tag.tsx';
import { Ago, Moment } from '../part/time-text.tsx';
import { VerdictTag, WaivedTag } from '../part/verdict-tag.tsx';
import { checkHash, findingHash, nodeHash } from '../route.ts';
import { useServices } from '../services.ts';
import { SUBJECT_LABELS, VERDICT_MEANINGS } from '../../api/labels.ts';
import { FindingHistory } from './finding-history.tsx';

/** All that is known of one finding: what was seen, since when, why it matters, and what to do. */
export function FindingDetail({ finding }: { readonly finding: FleetFinding }): JSX.Element {
  const { api } = useServices();
  const { check, title, verdict, severity, subject, nodeId, nodeName, evidence, reason, waiver } = finding;
  const text = useLoad(`check ${check}`, (signal) =>
    api.get(`/v1/checks/${encodeURIComponent(check)}`, checkSchema, signal),
  );
  return (
    <article class="detail">
      <h2 tabIndex={-1}>{title}</h2>
      <p class="detail-tags">
        <VerdictTag verdict={verdict} />
        <SeverityTag severity={severity} />
        {waiver === null ? null : <WaivedTag />}
        <span class="muted">{VERDICT_MEANINGS[verdict]}</span>
      </p>
      <dl class="facts">
        <dt>{SUBJECT_LABELS[subject.kind]}</dt>
        <dd>
          <strong>
            <UntrustedText text={subject.name} />
          </strong>
          {subject.id === subject.name ? null : (
            <span class="detail-id">
              <UntrustedCode text={subject.id} />
            </span>
          )}
        </dd>
        <dt>Node</dt>
        <dd>
          <a href={nodeHash(nodeId)}>
            <UntrustedText text={nodeName} />
          </a>
        </dd>
        <dt>Check</dt>
        <dd>
          <a href={checkHash(check)}>
            <code>{check}</code>
          </a>
        </dd>
        <dt>First seen</dt>
        <dd>
          <Moment atMs={finding.firstSeenMs} />
        </dd>
        <dt>Changed</dt>
        <dd>
          <Ago atMs={finding.changedMs} />
        </dd>
      </dl>
      {reason === null ? null : (
        <p class="reason">
          <strong>Reason:</strong> <UntrustedText text={reason} />
        </p>
      )}
      {waiver === null ? null : (
        <p class="reason">
          <strong>
            Waived by <UntrustedText text={waiver.name} /> until {waiver.expires}
          </strong>{' '}
          (<UntrustedText text={waiver.owner} />
          ): <UntrustedText text={waiver.reason} />
        </p>
      )}
      <h3>Evidence</h3>
      {evidence.length === 0 ? <p class="muted">No evidence besides the reason.</p> : null}
      <ol class="evidence">
        {evidence.map(({ source, seen, expected }, index) => (
          <li key={`${String(index)} ${source}`}>
            <dl>
              <dt>Source</dt>
              <dd>
                <UntrustedCode text={source} />
              </dd>
              <dt>Actual</dt>
              <dd class="seen">
                <UntrustedCode text={seen} />
              </dd>
              {expected === '' ? null : (
                <>
                  <dt>Expected</dt>
                  <dd>
                    <UntrustedCode text={expected} />
                  </dd>
                </>
              )}
            </dl>
          </li>
        ))}
      </ol>
      <p>
        <CopyButton text={() => new URL(findingHash(finding), location.href).href}>
          Copy a link to this finding
        </CopyButton>
      </p>
      {text.value === undefined ? null : <CheckText check={text.value} level={3} />}
      {text.problem === undefined ? null : <ProblemNote problem={text.problem} onRetry={text.reload} />}
      {text.value === undefined && text.problem === undefined ? <LoadingNote what="the explanation" /> : null}
      <h3>History</h3>
      <FindingHistory uid={finding.uid} changedMs={finding.changedMs} />
    </article>
  );
}
