import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { AnswerOf, QueryAnswer } from '../../api/query.ts';
import { safe, safeJson } from '../../api/safe.ts';
import { Scroll } from '../part/card.tsx';
import { UntrustedText, UntrustedLines } from '../part/untrusted-text.tsx';
import { nodeHash } from '../route.ts';
import { clockTime, count, counted, dateTime } from '../../api/format.ts';
import { answerTable } from './answer-table.ts';
import type { AnswerTable } from './answer-table.ts';
import type { QueryRecord } from './record.ts';

/** Rows of a table before somebody asks for all. */
const SHOWN = 200;

/** Who answered stands first; nodes that are offline are told together. */
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
          ? 'No node has connected yet, so nobody was asked.'
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
          <strong>Cut:</strong> there is more than the answer could hold.
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
    case 'ok': {
      const table = answerTable(answer.value);
      return table === undefined ? (
        <UntrustedLines text={safeJson(answer.value, 2)} />
      ) : (
        <Table table={table} name={answer.nodeName} />
      );
    }
  }
}

function Table({ table, name }: { readonly table: AnswerTable; readonly name: string }): JSX.Element {
  const [isWhole, setWhole] = useState(false);
  const rows = isWhole ? table.rows : table.rows.slice(0, SHOWN);
  return (
    <>
      <Scroll label={`Rows of ${safe(name)}`}>
        <table>
          <thead>
            <tr>
              {table.columns.map((column) => (
                <th key={column} scope="col">
                  <UntrustedText text={column} />
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((cells, index) => (
              <tr key={index}>
                {cells.map((cell, column) => (
                  <td key={table.columns[column]}>
                    {cell === null ? <span class="muted">–</span> : <UntrustedText text={cell} />}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      {rows.length < table.rows.length ? (
        <button type="button" class="link" onClick={() => setWhole(true)}>
          Show all {count(table.rows.length)} rows
        </button>
      ) : null}
    </>
  );
}
