import type { JSX } from 'preact';
import { count, counted } from '../../api/format.ts';
import { sinkList } from '../../api/status.ts';
import type { FleetSink } from '../../api/status.ts';
import { EventSections } from '../detection/section-links.tsx';
import { useLoad } from '../hook/use-load.ts';
import { DataTable } from '../part/data-table.tsx';
import { EmptyNote, LoadingNote, ProblemNote } from '../part/note.tsx';
import { Ago } from '../part/time-text.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { deadLettersHash } from '../route.ts';
import { useServices } from '../services.ts';

/** How often the status is read again: the collector sends no events of it to the page. */
const REFRESH_MS = 5_000;

/** Colours of {@link FleetSink} states: those of nodes. */
const STATE_CLASS = Object.freeze({
  ok: 'fresh-connected',
  retrying: 'fresh-stale',
  paused: 'fresh-offline',
} satisfies Record<FleetSink['state'], string>);

/** The sinks of the collector and their delivery status. */
export function SinksView(): JSX.Element {
  const { api } = useServices();
  const { value, problem, reload } = useLoad('sinks', (signal) => api.get('/v1/sinks', sinkList, signal), REFRESH_MS);
  const sinks = value?.sinks ?? [];
  return (
    <>
      <h1 tabIndex={-1}>Sinks</h1>
      <EventSections current="Sinks" />
      <p class="muted">
        Where the collector delivers events. A sink that fails keeps its events, and holds up no other. Counts are since
        the collector started.
      </p>
      {problem === undefined ? null : <ProblemNote problem={problem} onRetry={reload} />}
      {value === undefined && problem === undefined ? <LoadingNote what="the sinks" /> : null}
      {value !== undefined && sinks.length === 0 ? (
        <EmptyNote>
          Events are delivered nowhere: all sinks are off. docs/sinks.md describes how to set one up.
        </EmptyNote>
      ) : null}
      {sinks.length === 0 ? null : (
        <section class="card" aria-label="Sinks and their delivery status">
          <p class="findings-count" role="status">
            {headline(sinks)}
          </p>
          <DataTable
            label="Sinks and their delivery status"
            columns={['Sink', 'State', 'Waiting', 'Rate', 'Delivered', 'Not delivered', 'Last success', 'Last error']}
            rows={sinks.map((sink) => ({ key: sink.name, cells: cellsOf(sink) }))}
          />
          <p class="hint">
            <code>plimsoll sink test NAME</code> sends a test event and shows what fails.
          </p>
        </section>
      )}
    </>
  );
}

function headline(sinks: readonly FleetSink[]): string {
  const failing = sinks.filter(({ state }) => state !== 'ok').length;
  return failing === 0
    ? `${counted(sinks.length, 'sink')}, all ok`
    : `${count(failing)} of ${counted(sinks.length, 'sink')} not ok`;
}

function cellsOf(sink: FleetSink): readonly (string | JSX.Element | null)[] {
  const { name, state, behind, oldestMs, ratePerSecond, delivered, lastSuccessMs, lastError, lastErrorMs } = sink;
  return [
    name,
    <span class={`fresh ${STATE_CLASS[state]}`}>
      <span class="fresh-dot" aria-hidden="true" />
      <strong>{state}</strong>
    </span>,
    <>
      {counted(behind, 'event')}
      {oldestMs === null ? null : (
        <span class="cell-detail">
          oldest <Ago atMs={oldestMs} />
        </span>
      )}
    </>,
    `${ratePerSecond.toFixed(1)}/s`,
    count(delivered),
    <NotDelivered sink={sink} />,
    lastSuccessMs === null ? null : <Ago atMs={lastSuccessMs} />,
    lastError === '' && lastErrorMs === null ? null : (
      <>
        <span class="cell-text">
          {lastError === '' ? 'none since the last success' : <UntrustedText text={lastError} />}
        </span>
        {lastErrorMs === null ? null : (
          <span class="cell-detail">
            <Ago atMs={lastErrorMs} />
          </span>
        )}
      </>
    ),
  ];
}

function NotDelivered({ sink }: { readonly sink: FleetSink }): JSX.Element {
  const { name, deadLetters, dropped, discarded, filtered, undecided } = sink;
  const others = [
    [dropped, 'dropped'],
    [discarded, 'discarded'],
    [filtered, 'filtered'],
    [undecided, 'undecided, delivered'],
  ] as const;
  return (
    <ul class="cell-list">
      <li>
        <a href={deadLettersHash(name)}>{counted(deadLetters, 'dead letter')}</a>
      </li>
      {others.map(([number, word]) =>
        number === 0 ? null : (
          <li key={word}>
            {count(number)} {word}
          </li>
        ),
      )}
    </ul>
  );
}
