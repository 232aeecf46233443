import { DENIAL_OUTCOMES, ENFORCING_PROGRAMS } from '../../api/denial.ts';
import { readPeriod } from '../period.ts';
import type { Period } from '../period.ts';

/** Which denials are listed; empty fields match all. */
export interface DenialFilter {
  readonly outcomes: readonly (typeof DENIAL_OUTCOMES)[number][];
  readonly programs: readonly (typeof ENFORCING_PROGRAMS)[number][];
  /** Name of a namespace, as a whole. */
  readonly namespace: string;
  /** Only those of the last hour, day or week. */
  readonly since: Period | '';
}

/** Matches all denials. */
export const NO_DENIAL_FILTER: DenialFilter = Object.freeze({ outcomes: [], programs: [], namespace: '', since: '' });

/** Longest name of a namespace. */
const MAX_NAMESPACE = 253;

/** The filter that the query part of a hash names. Unknown words are left out. */
export function readDenialFilter(params: URLSearchParams): DenialFilter {
  return {
    outcomes: DENIAL_OUTCOMES.filter((outcome) => params.getAll('outcome').includes(outcome)),
    programs: ENFORCING_PROGRAMS.filter((program) => params.getAll('program').includes(program)),
    namespace: (params.get('namespace') ?? '').slice(0, MAX_NAMESPACE),
    since: readPeriod(params),
  };
}

/** The query part for a filter, without `?`; empty where it matches all. */
export function writeDenialFilter({ outcomes, programs, namespace, since }: DenialFilter): string {
  const params = new URLSearchParams();
  for (const outcome of outcomes) params.append('outcome', outcome);
  for (const program of programs) params.append('program', program);
  if (namespace.trim() !== '') params.set('namespace', namespace.trim().slice(0, MAX_NAMESPACE));
  if (since !== '') params.set('since', since);
  return params.toString();
}
