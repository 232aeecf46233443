import type { JSX } from 'preact';
import { UntrustedText } from '../part/untrusted-text.tsx';
import type { FactRow } from './node-facts.ts';

/** Names and values; what is weak is marked in words. */
export function FactList({ rows }: { readonly rows: readonly FactRow[] }): JSX.Element {
  return (
    <dl class="facts">
      {rows.map(({ name, value, weakness }) => (
        <div key={`${name} ${value}`}>
          <dt>{name}</dt>
          <dd>
            <UntrustedText text={value} />
            {weakness === '' ? null : <span class="weak"> {weakness}</span>}
          </dd>
        </div>
      ))}
    </dl>
  );
}
