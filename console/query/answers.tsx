import type { JSX } from 'preact';
import type { AnswerOf, QueryAnswer } from '../../api/query.ts';
import { safe } from '../../api/safe.ts';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { ValueView } from '../part/value-view.tsx';
import { nodeHash } from '../route.ts';
import { clockTime, count, counted, dateTime } from '../../api/format.ts';
import type { QueryRecord } from './record.ts';

/** Answers come first; nodes that are offline share one block. */
const ORDER = ['ok', 'error', 'timeout'] as const;

/** The answers of all nodes that were asked, one block each. */
export function Answers({ record }: { readonly record: QueryRecord }): JSX.Element {
  const { answers, atMs, tookMs } = record;
  const good = answers.filter(({ outcome }) => outcome === 'ok').length;
  const offline = answers.filter((answer) => answer.outcome === 'offline');
  const sorted = ORDER.flatMap((outcome) => answers.filter((answer) => answer.outcome === outcome));
  return (
    <section class="answers" aria-label="Answers">
      <p class="muted">
        {answers.length === 0
          ? 'No node has connected yet.'
          : `${counted(good, 'node')} answered of ${count(answers.length)}, in ${count(tookMs)} ms, at ${clockTime(atMs)}.`}
      </p>
      {sorted.map((answer) => (
        <Answer key={answer.nodeId} answer={answer} />
      ))}
      {offline.length === 0 ? null : <Offline answers={offline} />}
    </section>
  );
}

function Answer({ answer }: { readonly answer: QueryAnswer }): JSX.Element {
  const { nodeId, nodeName, outcome } = answer;
  const [truncated, unread] = answer.outcome === 'ok' ? [answer.truncated, answer.unread] : [false, []];
  return (
    <section class={`card answer answer-${outcome}`} aria-label={`Answer of ${safe(nodeName)}`}>
      <header class="card-head">
        <h2>
          <a href={nodeHash(nodeId)}>
            <UntrustedText text={nodeName} />
          </a>
        </h2>
        <span class="card-aside">
          {answer.outcome === 'ok' && Array.isArray(answer.value) ? counted(answer.rows, 'row') : OUTCOMES[outcome]}
        </span>
      </header>
      {truncated ? (
        <p class="note note-empty">
          <strong>Truncated:</strong> the answer reached its size limit. Narrow the query.
        </p>
      ) : null}
      <Value answer={answer} />
      {unread.length === 0 ? null : (
        <details class="more">
          <summary>{counted(unread.length, 'fact')} could not be read</summary>
          <ul>
            {unread.map((line) => (
              <li key={line}>
                <UntrustedText text={line} />
              </li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}

function Offline({ answers }: { readonly answers: readonly AnswerOf<'offline'>[] }): JSX.Element {
  return (
    <section class="card answer" aria-label="Nodes that are offline">
      <h2>{counted(answers.length, 'node')} offline</h2>
      <ul class="offline">
        {answers.map(({ nodeId, nodeName, sinceMs }) => (
          <li key={nodeId}>
            <a href={nodeHash(nodeId)}>
              <UntrustedText text={nodeName} />
            </a>
            {sinceMs === 0 ? '' : ` since ${dateTime(sinceMs)}`}
          </li>
        ))}
      </ul>
    </section>
  );
}

const OUTCOMES = Object.freeze({ ok: '', error: 'error', timeout: 'no answer', offline: 'offline' });

function Value({ answer }: { readonly answer: QueryAnswer }): JSX.Element {
  switch (answer.outcome) {
    case 'error':
      return (
        <p class="answer-problem">
          <strong>Error:</strong> <UntrustedText text={answer.error} />
        </p>
      );
    case 'timeout':
      return <p class="answer-problem">No answer within {count(answer.deadlineMs)} ms.</p>;
    case 'offline':
      return <p class="answer-problem">The node is offline.</p>;
    case 'ok':
      return <ValueView value={answer.value} label={`Rows of ${answer.nodeName}`} />;
  }
}
