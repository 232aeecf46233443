import type { JSX } from 'preact';
import { deadLetterDetail } from '../../api/dead-letter.ts';
import type { DeadLetterDetail } from '../../api/dead-letter.ts';
import { counted, dateTime } from '../../api/format.ts';
import { useLoad } from '../hook/use-load.ts';
import { FactList } from '../node/fact-list.tsx';
import type { FactRow } from '../node/node-facts.ts';
import { Card } from '../part/card.tsx';
import { EmptyNote, LoadingNote, ProblemNote } from '../part/note.tsx';
import { UntrustedLines, UntrustedText } from '../part/untrusted-text.tsx';
import { deadLettersHash } from '../route.ts';
import { useServices } from '../services.ts';

/** One dead letter: why it was rejected, and the event as it would be sent now. */
export function DeadLetterView({ deadLetterId }: { readonly deadLetterId: string }): JSX.Element {
  const { api } = useServices();
  const { value, problem, reload } = useLoad(`dead letter ${deadLetterId}`, (signal) =>
    api.get(`/v1/dead-letters/${encodeURIComponent(deadLetterId)}`, deadLetterDetail, signal),
  );
  const isAbsent = problem?.kind === 'notFound';
  const shown = isAbsent ? undefined : value;
  return (
    <>
      <p class="crumbs">
        <a href={deadLettersHash(shown?.sink)}>Dead letters</a> / dead letter
      </p>
      <h1 tabIndex={-1}>
        <UntrustedText text={shown === undefined || shown.message === '' ? deadLetterId : shown.message} />
      </h1>
      {isAbsent ? <EmptyNote>No dead letter has this id: it was sent again or deleted.</EmptyNote> : null}
      {problem === undefined || isAbsent ? null : <ProblemNote problem={problem} onRetry={reload} />}
      {value === undefined && problem === undefined ? <LoadingNote what="the dead letter" /> : null}
      {shown === undefined ? null : (
        <>
          <Card title="Rejection">
            <FactList rows={rowsOf(shown)} />
          </Card>
          <Card title="Event as it would be sent now">
            <UntrustedLines text={JSON.stringify(shown.event, null, 2)} />
          </Card>
        </>
      )}
    </>
  );
}

function rowsOf(letter: DeadLetterDetail): readonly FactRow[] {
  const { id, sink, reason, rejectedMs, attempts, isReplaying, type, eventUid, eventMs } = letter;
  const row = (name: string, value: string): FactRow => ({ name, value, weakness: '' });
  return [
    row('id', String(id)),
    row('sink', sink),
    row('reason', reason),
    row('rejected', `${dateTime(rejectedMs)}, ${counted(attempts, 'attempt')}`),
    row('state', isReplaying ? 'it waits to be sent again' : 'rejected'),
    row('event', `${type}, ${eventUid}`),
    row('happened', dateTime(eventMs)),
  ];
}
