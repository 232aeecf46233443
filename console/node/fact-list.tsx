import type { JSX } from 'preact';
import { Outside } from '../part/outside.tsx';
import type { FactRow } from './node-facts.ts';

/** Names and values; what is weak is marked in words. */
export function FactList({ rows }: { readonly rows: readonly FactRow[] }): JSX.Element {
  return (
    <dl class="facts">
      {rows.map(({ name, value, weakness }) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            <Outside text={value} />
            {weakness === '' ? null : <span class="weak"> {weakness}</span>}
          </dd>
        </div>
      ))}
    </dl>
  );
}
