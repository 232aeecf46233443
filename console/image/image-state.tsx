import type { JSX } from 'preact';
import { VerdictMark } from '../part/verdict-tag.tsx';

const STATES: Readonly<Record<string, readonly [label: string, verdict: 'pass' | 'manual' | 'unknown']>> =
  Object.freeze({
    complete: ['completely', 'pass'],
    partial: ['partly', 'manual'],
    pending: ['not yet', 'unknown'],
    unknown: ['unknown', 'unknown'],
  });

/** How much of an image is known: `completely`, `partly`, `not yet`, `unknown`. */
export function ImageStateTag({ state }: { readonly state: string }): JSX.Element {
  const [label, verdict] = (Object.hasOwn(STATES, state) ? STATES[state] : undefined) ?? ['unknown', 'unknown'];
  return (
    <span class={`tag ver-${verdict}`}>
      <VerdictMark verdict={verdict} />
      {label}
    </span>
  );
}
