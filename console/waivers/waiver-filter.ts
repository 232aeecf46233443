import type { ListedWaiver } from '../../api/waiver.ts';
import type { FindingFilter } from '../filter.ts';

const PATTERN = /[*?]/;

/**
 * The findings that a waiver accepts, as nearly as a filter of findings can say it: patterns and ids of images are left
 * out, so that the list may hold more. Where the waiver is not in force, those that it would accept.
 */
export function filterOf({ match, state }: Pick<ListedWaiver, 'match' | 'state'>): Partial<FindingFilter> {
  const [subject = '', ...others] = match.subjects;
  const isInForce = state === 'used' || state === 'broad';
  return {
    checks: match.checks,
    ...(isInForce ? { state: 'waived' } : { verdicts: ['fail', 'manual'] }),
    ...(others.length === 0 && !PATTERN.test(subject) ? { subject } : {}),
    ...(match.nodes.some((node) => PATTERN.test(node)) ? {} : { nodes: match.nodes }),
  };
}
