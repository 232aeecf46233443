import type { JSX } from 'preact';
import { check as checkSchema } from '../../api/check.ts';
import type { HistoryEntry } from '../../api/finding.ts';
import { CheckText } from '../check/check-text.tsx';
import { useCell } from '../hook/use-cell.ts';
import { useLoad } from '../hook/use-load.ts';
import { SUBJECT_LABELS } from '../../api/labels.ts';
import { Ago } from '../part/time-text.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { FindingTag } from '../part/verdict-tag.tsx';
import { checkHash, nodeHash } from '../route.ts';
import { useServices } from '../services.ts';
import { FindingHistory } from './finding-history.tsx';

/** A finding that no node reports any more: what it was, and its history. */
export function PastFinding({ last }: { readonly last: HistoryEntry }): JSX.Element {
  const { api, fleet } = useServices();
  const { check, nodeId, subjectKind, subjectName, action, cause, atMs } = last;
  const node = useCell(fleet).nodes.find(({ id }) => id === nodeId);
  const text = useLoad(`check ${check}`, (signal) =>
    api.get(`/v1/checks/${encodeURIComponent(check)}`, checkSchema, signal),
  );
  const title = last.verdict === 'fail' ? text.value?.failTitle : text.value?.title;
  return (
    <article class="detail">
      <h2 tabIndex={-1}>{title ?? <UntrustedText text={check} />}</h2>
      <p class="detail-tags">
        <span class="tag">{action === 'resolved' ? 'resolved' : 'gone'}</span>
        <span class="muted">
          was <FindingTag verdict={last.verdict} severity={last.severity} />
        </span>
      </p>
      <p>
        {cause === 'nodeRemoved'
          ? 'The node was removed from the collector, and this finding with it.'
          : cause === 'checkRemoved'
            ? 'The node has no such check any more, so it is not known whether this is fixed.'
            : `The node does not report this finding any more: the ${SUBJECT_LABELS[subjectKind]} is gone.`}
      </p>
      <dl class="facts">
        <dt>{SUBJECT_LABELS[subjectKind]}</dt>
        <dd>
          <strong>
            <UntrustedText text={subjectName} />
          </strong>
        </dd>
        <dt>Node</dt>
        <dd>
          {node === undefined ? (
            <UntrustedText text={nodeId} />
          ) : (
            <a href={nodeHash(nodeId)}>
              <UntrustedText text={node.name} />
            </a>
          )}
        </dd>
        <dt>Check</dt>
        <dd>
          <a href={checkHash(check)}>
            <code>
              <UntrustedText text={check} />
            </code>
          </a>
        </dd>
        <dt>Last change</dt>
        <dd>
          <Ago atMs={atMs} />
        </dd>
      </dl>
      <h3>History</h3>
      <FindingHistory uid={last.findingUid} changedMs={atMs} />
      {text.value === undefined ? null : <CheckText check={text.value} level={3} />}
    </article>
  );
}
