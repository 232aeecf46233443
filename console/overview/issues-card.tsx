import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { issueReport } from '../../api/issue.ts';
import type { Issue } from '../../api/issue.ts';
import { useCell } from '../hook/use-cell.ts';
import { useLoad } from '../hook/use-load.ts';
import { ProblemNote } from '../part/note.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { nodeHash } from '../route.ts';
import { useServices } from '../services.ts';
import { count, counted } from '../../api/format.ts';

/** Issues that are listed; `plimsoll status` lists all. */
const SHOWN = 5;
/** How long nodes may come and go before the issues are read again, and how often they are read while nothing does. */
const SETTLE_MS = 500;
const STEP_MS = 60_000;

/** What does not work at the collector, its sinks and its agents, worst first. Nothing is drawn where all works. */
export function IssuesCard(): JSX.Element | null {
  const { api } = useServices();
  const { value, problem, reload } = useLoad('issues', (signal) => api.get('/v1/status', issueReport, signal), STEP_MS);
  useReloadWithFleet(reload);
  if (problem !== undefined) return <ProblemNote problem={problem} onRetry={reload} />;
  if (value === undefined || value.issues.length === 0) return null;
  const total = value.issues.length;
  const shown = value.issues.slice(0, SHOWN);
  return (
    <section class="issues" aria-labelledby="issues-title">
      <h2 id="issues-title">{counted(total, 'issue')} of the collector, its sinks and agents</h2>
      <ol>
        {shown.map((issue, index) => (
          <li key={`${String(index)} ${issue.code} ${issue.subject}`}>
            <strong>
              <IssueSubject issue={issue} />
            </strong>
            : <UntrustedText text={issue.text} />
            {issue.advice === shown[index + 1]?.advice ? null : (
              <p class="issue-advice">
                <UntrustedText text={issue.advice} />
              </p>
            )}
          </li>
        ))}
      </ol>
      {total > SHOWN ? (
        <p class="issue-more">
          and {count(total - SHOWN)} more: <code>plimsoll status</code>
        </p>
      ) : null}
    </section>
  );
}

/** Sinks and the store have no view of their own. */
function IssueSubject({ issue: { code, subject } }: { readonly issue: Issue }): JSX.Element {
  if (!/^(?:node|agent)/.test(code)) return <UntrustedText text={subject} />;
  return (
    <a href={nodeHash(subject)}>
      <UntrustedText text={subject} />
    </a>
  );
}

/** Calls `reload` once a node is new, lost, silent or back. */
function useReloadWithFleet(reload: () => void): void {
  const { fleet } = useServices();
  const { nodes, isRead } = useCell(fleet);
  const key = isRead ? nodes.map(({ id, presence }) => `${id} ${presence}`).join('\n') : undefined;
  const read = useRef(key);
  useEffect(() => {
    const isFirst = read.current === undefined;
    read.current = key;
    if (key === undefined || isFirst) return undefined;
    const timer = setTimeout(reload, SETTLE_MS);
    return () => clearTimeout(timer);
  }, [key, reload]);
}
