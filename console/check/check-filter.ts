import type { Check } from '../../api/check.ts';
import { searchWords } from '../../api/finding-list.ts';
import { SEVERITIES } from '../../posture/verdict.ts';
import type { Severity } from '../../posture/verdict.ts';

/** Which checks are listed: all words of `text`, and one of the severities; empty fields match all. */
export interface CheckFilter {
  readonly text: string;
  readonly severities: readonly Severity[];
}

/** Longest text that is searched for. */
const MAX_TEXT = 256;

/** The filter that the query part of a hash names. Words that are none are left out. */
export function readCheckFilter(params: URLSearchParams): CheckFilter {
  return {
    text: (params.get('text') ?? '').slice(0, MAX_TEXT),
    severities: SEVERITIES.filter((severity) => params.getAll('severity').includes(severity)),
  };
}

/** The query part for a filter, without `?`; empty where it matches all. */
export function writeCheckFilter({ text, severities }: CheckFilter): string {
  const params = new URLSearchParams();
  for (const severity of severities) params.append('severity', severity);
  if (text.trim() !== '') params.append('text', text.slice(0, MAX_TEXT));
  return params.toString();
}

/** The checks that match, worst first, then by id. Searches id, title, explanation, facts and controls. */
export function matchingChecks(checks: readonly Check[], { text, severities }: CheckFilter): readonly Check[] {
  const words = searchWords(text.toLowerCase());
  return checks
    .filter((check) => severities.length === 0 || isOneOf(severities, check))
    .filter((check) => {
      const whole = textOf(check);
      return words.every((word) => whole.includes(word));
    })
    .toSorted((one, other) => {
      const first = SEVERITIES.indexOf(one.severity) - SEVERITIES.indexOf(other.severity);
      return first === 0 ? (one.id < other.id ? -1 : 1) : first;
    });
}

function isOneOf(severities: readonly Severity[], { severity, severityLevels }: Check): boolean {
  return severities.includes(severity) || severityLevels.some((level) => severities.includes(level.severity));
}

function textOf({ id, title, failTitle, rationale, remediation, judges, needs, controls }: Check): string {
  const named = controls.map(({ benchmark, control }) => `${benchmark} ${control}`);
  return [id, title, failTitle, rationale, remediation, judges, ...needs, ...named].join('\n').toLowerCase();
}
