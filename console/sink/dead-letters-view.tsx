import type { JSX } from 'preact';
import { withQuery } from '../../api/client.ts';
import { deadLetterList } from '../../api/dead-letter.ts';
import { sinkList } from '../../api/status.ts';
import { EventSections } from '../detection/section-links.tsx';
import { replaceHash } from '../hook/use-hash.ts';
import { useLoad } from '../hook/use-load.ts';
import { usePages } from '../hook/use-pages.ts';
import { DataTable } from '../part/data-table.tsx';
import { PagedCard } from '../part/paged-card.tsx';
import { Ago } from '../part/time-text.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { deadLetterHash, deadLettersHash } from '../route.ts';
import { useServices } from '../services.ts';

/** Dead letters that are read at a time. */
const PAGE = 100;
const REFRESH_MS = 15_000;

/** Events that sinks rejected, with the reasons of their receivers; empty `sink`: those of all. */
export function DeadLettersView({ sink }: { readonly sink: string }): JSX.Element {
  return (
    <>
      <h1 tabIndex={-1}>Dead letters</h1>
      <EventSections current="Dead letters" />
      <p class="muted">
        Events that a receiver will never accept as they are. They are kept until they are sent again (
        <code>plimsoll deadletter replay</code>) or deleted (<code>plimsoll deadletter purge</code>).
      </p>
      <div class="filters" role="search" aria-label="Dead letters">
        <SinkSelect sink={sink} />
      </div>
      <DeadLetterList key={sink} sink={sink} />
    </>
  );
}

function SinkSelect({ sink }: { readonly sink: string }): JSX.Element {
  const { api } = useServices();
  const { value } = useLoad('sinks', (signal) => api.get('/v1/sinks', sinkList, signal));
  const names = value?.sinks.map(({ name }) => name) ?? [];
  // A sink that was turned off keeps its dead letters.
  const all = sink === '' || names.includes(sink) ? names : [...names, sink];
  return (
    <label class="filter-select">
      Sink
      <select value={sink} onChange={({ currentTarget }) => replaceHash(deadLettersHash(currentTarget.value))}>
        <option value="">all sinks</option>
        {all.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

function DeadLetterList({ sink }: { readonly sink: string }): JSX.Element {
  const pages = usePages(
    `dead letters ${sink}`,
    {
      pathOf: (cursor) => withQuery('/v1/dead-letters', { limit: PAGE, sink: sink === '' ? undefined : sink, cursor }),
      schema: deadLetterList,
      itemsOf: ({ deadLetters }) => deadLetters,
      idOf: ({ id }) => id,
    },
    REFRESH_MS,
  );
  return (
    <PagedCard
      pages={pages}
      one="dead letter"
      empty={sink === '' ? 'No dead letters.' : 'No dead letters of this sink.'}
    >
      {(deadLetters, label) => (
        <DataTable
          label={label}
          columns={['Event', 'Sink', 'Rejected', 'Attempts', 'Reason', 'State']}
          rows={deadLetters.map(({ id, sink: name, rejectedMs, attempts, reason, message, isReplaying }) => ({
            key: String(id),
            cells: [
              <a href={deadLetterHash(String(id))}>
                <UntrustedText text={message === '' ? String(id) : message} />
              </a>,
              name,
              <Ago atMs={rejectedMs} />,
              String(attempts),
              <span class="cell-text">
                <UntrustedText text={reason} />
              </span>,
              isReplaying ? 'replaying' : 'rejected',
            ],
          }))}
        />
      )}
    </PagedCard>
  );
}
