import type { JSX } from 'preact';
import { outcomeLabel } from '../../api/policy.ts';
import { VerdictMark } from '../part/verdict-tag.tsx';

const VERDICT_OF = Object.freeze({ allow: 'pass', deny: 'fail', couldNotTell: 'unknown' } as const);

/** What policies decide about an image: sign and word. */
export function OutcomeTag({ outcome }: { readonly outcome: string }): JSX.Element {
  const verdict = Object.hasOwn(VERDICT_OF, outcome) ? VERDICT_OF[outcome as keyof typeof VERDICT_OF] : 'unknown';
  return (
    <span class={`tag tag-ver ver-${verdict}`}>
      <VerdictMark verdict={verdict} />
      {outcomeLabel(outcome)}
    </span>
  );
}
