import type { JSX } from 'preact';
import { withQuery } from '../../api/client.ts';
import { historyPage } from '../../api/finding.ts';
import { changeOfHistory } from '../fleet/change.ts';
import { useCell } from '../hook/use-cell.ts';
import { replaceHash } from '../hook/use-hash.ts';
import { useReloadOn } from '../hook/use-live.ts';
import { usePages } from '../hook/use-pages.ts';
import { NodeSelect } from '../part/node-select.tsx';
import { OlderButton, PagesNotes } from '../part/paged-card.tsx';
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
  const { fleet } = useServices();
  const { nodes } = useCell(fleet);
  const filter = {
    node: nodeId === '' ? undefined : nodeId,
    subject: subject === '' ? undefined : subject,
  };
  const pages = usePages(`history ${nodeId} ${subject}`, {
    pathOf: (cursor) => withQuery('/v1/history', { limit: PAGE, ...filter, cursor }),
    schema: historyPage,
    itemsOf: ({ entries }) => entries,
    idOf: ({ position }) => position,
  });
  const { items, reload } = pages;
  useReloadOn(
    (item) => item.type === 'finding' && (nodeId === '' || item.event.finding.nodeId === nodeId),
    reload,
    RELOAD_EVERY_MS,
  );
  const names = new Map(nodes.map(({ id, name }) => [id, name]));
  return (
    <>
      <PagesNotes pages={pages} what="the history" empty="No changes of findings within the retention period." />
      <ChangeList changes={items.map((entry) => changeOfHistory(entry, names.get(entry.nodeId) ?? entry.nodeId))} />
      <OlderButton pages={pages} what="changes" />
    </>
  );
}
