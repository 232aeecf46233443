import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { historyPage } from '../../api/finding.ts';
import type { Change } from '../fleet/change.ts';
import { withHistory } from '../fleet/fleet.ts';
import { useCell } from '../hook/use-cell.ts';
import { useLoad } from '../hook/use-load.ts';
import { Card } from '../part/card.tsx';
import { EmptyNote, LoadingNote, ProblemNote } from '../part/note.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { Ago } from '../part/time-text.tsx';
import { FindingTag, VerdictMark } from '../part/verdict-tag.tsx';
import { findingHash, nodeHash } from '../route.ts';
import { useServices } from '../services.ts';
import { ACTION_LABELS } from '../../api/labels.ts';

/** What stands beside the list decides how much of it is in view; the rest scrolls. */
const SHOWN = 30;

/** What just changed, newest first: what the page saw itself, and before that what the history holds. */
export function ChangesCard(): JSX.Element {
  const { api, fleet } = useServices();
  const { changes, nodes } = useCell(fleet);
  const past = useLoad('changes', (signal) => api.get(`/v1/history?limit=${String(SHOWN)}`, historyPage, signal));
  // The history knows nodes by id only: their names come with the nodes.
  const isNamed = nodes.length > 0;
  useEffect(() => {
    if (past.value !== undefined) fleet.set(withHistory(fleet.get(), past.value.entries));
  }, [past.value, isNamed, fleet]);
  const isEmpty = changes.length === 0;
  return (
    <Card className="card-changes" title="What just changed">
      {past.problem === undefined ? null : <ProblemNote problem={past.problem} onRetry={past.reload} />}
      {isEmpty && past.value === undefined && past.problem === undefined ? <LoadingNote what="changes" /> : null}
      {isEmpty && past.value !== undefined ? <EmptyNote>Nothing has changed yet.</EmptyNote> : null}
      <ol class="changes">
        {changes.slice(0, SHOWN).map((change) => (
          <li key={change.key} class={`change change-${change.type === 'finding' ? change.action : 'node'}`}>
            {change.type === 'finding' ? <FindingChange change={change} /> : <NodeChange change={change} />}
          </li>
        ))}
      </ol>
    </Card>
  );
}

function FindingChange({ change }: { readonly change: Extract<Change, { readonly type: 'finding' }> }): JSX.Element {
  const { action, verdict, severity, check, subjectName, nodeName, nodeId, uid, findingId, atMs } = change;
  const href =
    findingId === undefined ? `#/findings/${encodeURIComponent(uid)}` : findingHash({ uid, nodeId, id: findingId });
  return (
    <a href={href}>
      <span class="change-head">
        {action === 'resolved' ? <VerdictMark verdict="pass" /> : <FindingTag verdict={verdict} severity={severity} />}
        <strong>{ACTION_LABELS[action]}</strong>
        <Ago atMs={atMs} />
      </span>
      <span class="change-what">{check}</span>
      <span class="change-where">
        <UntrustedText text={subjectName} /> on <UntrustedText text={nodeName} />
      </span>
    </a>
  );
}

function NodeChange({ change }: { readonly change: Extract<Change, { readonly type: 'node' }> }): JSX.Element {
  return (
    <a href={nodeHash(change.nodeId)}>
      <span class="change-head">
        <span class={`fresh-dot fresh-${change.connected ? 'connected' : 'offline'}`} aria-hidden="true" />
        <strong>node {change.connected ? 'connected' : 'went offline'}</strong>
        <Ago atMs={change.atMs} />
      </span>
      <span class="change-where">
        <UntrustedText text={change.nodeName} />
      </span>
    </a>
  );
}
