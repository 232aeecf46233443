import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import { check as checkSchema } from '../../api/check.ts';
import { NO_FILTER } from '../filter.ts';
import { FindingRows } from '../findings/finding-rows.tsx';
import { useFindingList } from '../findings/use-finding-list.ts';
import { useLoad } from '../hook/use-load.ts';
import { Card } from '../part/card.tsx';
import { EmptyNote, LoadingNote, ProblemNote } from '../part/note.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { SeverityTag } from '../part/severity-tag.tsx';
import { checksHash, findingsHash } from '../route.ts';
import { useServices } from '../services.ts';
import { CheckText } from './check-text.tsx';

/** One check: its explanation, and all findings of it. */
export function CheckView({ checkId }: { readonly checkId: string }): JSX.Element {
  const { api } = useServices();
  const { value, problem, reload } = useLoad(`check ${checkId}`, (signal) =>
    api.get(`/v1/checks/${encodeURIComponent(checkId)}`, checkSchema, signal),
  );
  const filter = useMemo(() => ({ ...NO_FILTER, checks: [checkId] }), [checkId]);
  const found = useFindingList(filter);
  const isUnknown = problem?.kind === 'notFound';
  return (
    <>
      <p class="crumbs">
        <a href={checksHash()}>Checks</a> / check
      </p>
      <div class="title-line">
        <h1 tabIndex={-1}>{value === undefined ? <UntrustedText text={checkId} /> : value.title}</h1>
        {value === undefined ? null : (
          <SeverityTag severity={value.severity} isWorst={value.severityLevels.length > 0} />
        )}
        <code class="title-id muted">
          <UntrustedText text={checkId} />
        </code>
      </div>
      {isUnknown ? <EmptyNote>This collector knows no such check.</EmptyNote> : null}
      {problem === undefined || isUnknown ? null : <ProblemNote problem={problem} onRetry={reload} />}
      {value === undefined && problem === undefined ? <LoadingNote what="the check" /> : null}
      <div class="check-grid">
        {value === undefined ? null : (
          <section class="card" aria-label="Explanation">
            <CheckText check={value} level={2} />
          </section>
        )}
        {isUnknown ? null : (
          <Card
            className="card-list"
            title="Findings of this check"
            aside={<a href={findingsHash(filter)}>{found.count}</a>}
          >
            <FindingRows found={found} filter={filter} openUid={undefined} />
          </Card>
        )}
      </div>
    </>
  );
}
