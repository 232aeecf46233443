import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { historyPage } from '../../api/finding.ts';
import type { HistoryEntry } from '../../api/finding.ts';
import { changeOfHistory } from '../fleet/change.ts';
import { useCell } from '../hook/use-cell.ts';
import { replaceHash } from '../hook/use-hash.ts';
import { useReloadOn } from '../hook/use-live.ts';
import { useLoad } from '../hook/use-load.ts';
import { NodeSelect } from '../part/node-select.tsx';
import { EmptyNote, LoadingNote, ProblemNote } from '../part/note.tsx';
import { historyHash } from '../route.ts';
import { useServices } from '../services.ts';
import { ChangeList } from './change-list.tsx';

/** Entries that are read at a time. */
const PAGE = 500;
const RELOAD_EVERY_MS = 3000;

/** What happened to findings, newest first, on all nodes or on one. */
export function HistoryView({ nodeId }: { readonly nodeId: string }): JSX.Element {
  return (
    <>
      <div class="findings-head">
        <h1 tabIndex={-1}>History</h1>
        <NodeSelect nodeId={nodeId} onSelect={(id) => replaceHash(historyHash(id))} />
      </div>
      <section class="card" aria-label="Changes of findings">
        <History key={nodeId} nodeId={nodeId} />
      </section>
    </>
  );
}

/** The history of all nodes, of one node, or of one subject of it by name. Older entries are read on demand. */
export function History({ nodeId, subject = '' }: { readonly nodeId: string; readonly subject?: string }): JSX.Element {
  const { api, fleet } = useServices();
  const { nodes } = useCell(fleet);
  const [older, setOlder] = useState<readonly HistoryEntry[]>([]);
  const [next, setNext] = useState<string | null>();
  const [isReading, setReading] = useState(false);
  const query = (cursor?: string): string => {
    const params = new URLSearchParams({ limit: String(PAGE) });
    if (nodeId !== '') params.set('node', nodeId);
    if (subject !== '') params.set('subject', subject);
    if (cursor !== undefined) params.set('cursor', cursor);
    return `/v1/history?${params.toString()}`;
  };
  const newest = useLoad(`history ${nodeId} ${subject}`, (signal) => api.get(query(), historyPage, signal));
  useReloadOn(
    (item) => item.type === 'finding' && (nodeId === '' || item.event.finding.nodeId === nodeId),
    newest.reload,
    RELOAD_EVERY_MS,
  );
  const { value, problem } = newest;
  const cursor = next === undefined ? (value?.cursor ?? null) : next;
  const readOlder = async (): Promise<void> => {
    if (cursor === null || isReading) return;
    setReading(true);
    const page = await api.get(query(cursor), historyPage);
    setReading(false);
    if (!page.ok) return newest.reload();
    // Entries of the first page that newer ones push out of it stay.
    setOlder((read) => [...(read.length === 0 ? (value?.entries ?? []) : read), ...page.value.entries]);
    setNext(page.value.cursor);
  };
  const known = new Set(value?.entries.map(({ position }) => position));
  const entries = [...(value?.entries ?? []), ...older.filter(({ position }) => !known.has(position))];
  const names = new Map(nodes.map(({ id, name }) => [id, name]));
  return (
    <>
      {problem === undefined ? null : <ProblemNote problem={problem} onRetry={newest.reload} />}
      {value === undefined && problem === undefined ? <LoadingNote what="the history" /> : null}
      {value !== undefined && entries.length === 0 ? (
        <EmptyNote>No changes of findings within the retention period.</EmptyNote>
      ) : null}
      <ChangeList changes={entries.map((entry) => changeOfHistory(entry, names.get(entry.nodeId) ?? entry.nodeId))} />
      {cursor === null ? null : (
        <button type="button" class="button" disabled={isReading} onClick={() => void readOlder()}>
          Show older changes
        </button>
      )}
    </>
  );
}
