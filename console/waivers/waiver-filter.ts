import type { ListedWaiver } from '../../api/waiver.ts';
import type { FindingFilter } from '../filter.ts';

const PATTERN = /[*?]/;

/**
 * The findings that a waiver accepts. Where it is not in force, those that it would accept, as nearly as a filter can say
 * it: patterns and ids of images are left out, so that the list may hold more.
 */
export function filterOf({
  name,
  match,
  state,
}: Pick<ListedWaiver, 'name' | 'match' | 'state'>): Partial<FindingFilter> {
  if (state === 'used' || state === 'broad') return { waivers: [name] };
  const [subject = '', ...others] = match.subjects;
  return {
    checks: match.checks,
    verdicts: ['fail', 'manual'],
    ...(others.length === 0 && !PATTERN.test(subject) ? { subject } : {}),
    ...(match.nodes.some((node) => PATTERN.test(node)) ? {} : { nodes: match.nodes }),
  };
}
