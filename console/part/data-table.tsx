import type { ComponentChildren, JSX } from 'preact';
import { useState } from 'preact/hooks';
import { count } from '../../api/format.ts';
import { Scroll } from './card.tsx';
import { UntrustedText } from './untrusted-text.tsx';

/** One row of a table; a cell that is text may come from outside. */
export interface TableRow {
  readonly key: string;
  readonly cells: readonly (string | JSX.Element | null)[];
}

/** Rows that are drawn before somebody asks for all. */
const SHOWN = 100;

/** A table that scrolls in itself. The first cell of a row is its heading; null is shown as a dash. */
export function DataTable({
  label,
  columns,
  rows,
  isNested = false,
}: {
  /** What the table lists: its caption. */
  readonly label: string;
  /** The headings of the columns, which may come from outside. */
  readonly columns: readonly ComponentChildren[];
  readonly rows: readonly TableRow[];
  /** A table in a cell of another: it has no scroll bar of its own. */
  readonly isNested?: boolean;
}): JSX.Element {
  const [isWhole, setWhole] = useState(false);
  const shown = isWhole ? rows : rows.slice(0, SHOWN);
  const table = (
    <table class="data-table">
      <caption class="visually-hidden">
        <UntrustedText text={label} />
      </caption>
      <thead>
        <tr>
          {columns.map((column, index) => (
            <th key={index} scope="col">
              {typeof column === 'string' ? <UntrustedText text={column} /> : column}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {shown.map(({ key, cells: [head = null, ...others] }) => (
          <tr key={key}>
            <th scope="row">
              <Cell cell={head} />
            </th>
            {others.map((cell, index) => (
              <td key={index}>
                <Cell cell={cell} />
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
  return (
    <>
      {isNested ? table : <Scroll label={label}>{table}</Scroll>}
      {shown.length < rows.length ? (
        <button type="button" class="link" onClick={() => setWhole(true)}>
          Show all {count(rows.length)} rows
        </button>
      ) : null}
    </>
  );
}

function Cell({ cell }: { readonly cell: string | JSX.Element | null }): JSX.Element {
  if (cell === null) return <span class="muted">–</span>;
  return typeof cell === 'string' ? <UntrustedText text={cell} /> : cell;
}
