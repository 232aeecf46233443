import type { JSX } from 'preact';
import { Ago } from '../part/time-text.tsx';
import type { QueryRecord } from './record.ts';

/** The queries of this page, newest first; a reload forgets them. */
export function PastQueries({
  records,
  onChoose,
}: {
  readonly records: readonly QueryRecord[];
  readonly onChoose: (expression: string) => void;
}): JSX.Element | null {
  if (records.length === 0) return null;
  return (
    <>
      <h2>Asked before</h2>
      <ul class="examples">
        {records.map(({ expression, atMs }) => (
          <li key={`${String(atMs)} ${expression}`}>
            <button type="button" onClick={() => onChoose(expression)}>
              <code>{expression}</code>
              <Ago atMs={atMs} />
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}
