import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { historyPage } from '../../api/finding.ts';
import { withHistory } from '../fleet/fleet.ts';
import { ChangeList } from '../history/change-list.tsx';
import { useCell } from '../hook/use-cell.ts';
import { useLoad } from '../hook/use-load.ts';
import { Card } from '../part/card.tsx';
import { EmptyNote, LoadingNote, ProblemNote } from '../part/note.tsx';
import { historyHash } from '../route.ts';
import { useServices } from '../services.ts';

/** Entries that are drawn; the rest scrolls. A container start is one entry, and up to a hundred changes. */
const SHOWN = 30;
const READ = 300;

/** What just changed, newest first: what the page saw itself, and before that what the history holds. */
export function ChangesCard(): JSX.Element {
  const { api, fleet } = useServices();
  const { changes, nodes } = useCell(fleet);
  const past = useLoad('changes', (signal) => api.get(`/v1/history?limit=${String(READ)}`, historyPage, signal));
  // The history knows nodes by id only: their names come with the nodes.
  const isNamed = nodes.length > 0;
  useEffect(() => {
    if (past.value !== undefined) fleet.set(withHistory(fleet.get(), past.value.entries));
  }, [past.value, isNamed, fleet]);
  const isEmpty = changes.length === 0;
  return (
    <Card className="card-changes" title="What just changed" aside={<a href={historyHash()}>History</a>}>
      {past.problem === undefined ? null : <ProblemNote problem={past.problem} onRetry={past.reload} />}
      {isEmpty && past.value === undefined && past.problem === undefined ? <LoadingNote what="changes" /> : null}
      {isEmpty && past.value !== undefined ? <EmptyNote>Nothing has changed yet.</EmptyNote> : null}
      <ChangeList changes={changes} limit={SHOWN} />
    </Card>
  );
}
