import type { JSX } from 'preact';
import { historyPage } from '../../api/finding.ts';
import { useLoad } from '../hook/use-load.ts';
import { LoadingNote, ProblemNote } from '../part/note.tsx';
import { SeverityTag } from '../part/severity-tag.tsx';
import { Moment } from '../part/time-text.tsx';
import { VerdictTag } from '../part/verdict-tag.tsx';
import { useServices } from '../services.ts';
import { changeLabel } from '../../api/labels.ts';

const SHOWN = 20;

/** What happened to a finding, newest first. Read again when the finding has changed. */
export function FindingHistory({ uid, changedMs }: { readonly uid: string; readonly changedMs: number }): JSX.Element {
  const { api } = useServices();
  const loaded = useLoad(`history ${uid} ${String(changedMs)}`, (signal) =>
    api.get(`/v1/history?limit=${String(SHOWN)}&finding=${encodeURIComponent(uid)}`, historyPage, signal),
  );
  const { value, problem } = loaded;
  if (problem !== undefined) return <ProblemNote problem={problem} onRetry={loaded.reload} />;
  if (value === undefined) return <LoadingNote what="the history" />;
  if (value.entries.length === 0) return <p class="muted">No changes of this finding within the retention period.</p>;
  return (
    <ol class="history">
      {value.entries.map(({ position, atMs, action, verdict, severity, waiver }) => (
        <li key={position}>
          <Moment atMs={atMs} /> <strong>{changeLabel({ action, waiver })}</strong> <VerdictTag verdict={verdict} />{' '}
          {verdict === 'fail' ? <SeverityTag severity={severity} /> : null}
        </li>
      ))}
    </ol>
  );
}
