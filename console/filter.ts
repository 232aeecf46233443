import { hasText, isWaived } from '../api/finding-list.ts';
import { FINDING_STATES } from '../api/finding.ts';
import type { FindingState, FleetFinding } from '../api/finding.ts';
import { SUBJECT_KINDS } from '../posture/finding.ts';
import type { SubjectKind } from '../posture/finding.ts';
import { SEVERITIES, VERDICTS } from '../posture/verdict.ts';
import type { Severity, Verdict } from '../posture/verdict.ts';

/** Which findings a list shows. Lists are alternatives, fields are combined, an empty field matches all. */
export interface FindingFilter {
  readonly severities: readonly Severity[];
  readonly verdicts: readonly Verdict[];
  /** Empty: any. */
  readonly state: FindingState | '';
  /** Names of the waivers that accept them. */
  readonly waivers: readonly string[];
  readonly checks: readonly string[];
  /** Ids or names of nodes. */
  readonly nodes: readonly string[];
  readonly kinds: readonly SubjectKind[];
  /** Id or name of the subject, exactly. */
  readonly subject: string;
  readonly text: string;
}

/** Matches all findings. */
export const NO_FILTER: FindingFilter = Object.freeze({
  severities: [],
  verdicts: [],
  state: '',
  waivers: [],
  checks: [],
  nodes: [],
  kinds: [],
  subject: '',
  text: '',
});

/** Matches what asks for attention. */
export const OPEN_FILTER: FindingFilter = {
  ...NO_FILTER,
  verdicts: ['fail', 'unknown', 'manual'],
  state: 'open',
};

/** Bounds of the API. */
const MAX_VALUES = 100;
const MAX_TEXT = 256;
const MAX_SUBJECT = 4096;

/** The filter that the query part of a hash names. Words that are none are left out, so that an old link still works. */
export function readFilter(params: URLSearchParams): FindingFilter {
  return {
    severities: SEVERITIES.filter((severity) => params.getAll('severity').includes(severity)),
    verdicts: VERDICTS.filter((verdict) => params.getAll('verdict').includes(verdict)),
    state: FINDING_STATES.find((state) => state === params.get('state')) ?? '',
    waivers: distinct(params.getAll('waiver')),
    checks: distinct(params.getAll('check')),
    nodes: distinct(params.getAll('node')),
    kinds: SUBJECT_KINDS.filter((kind) => params.getAll('kind').includes(kind)),
    subject: (params.get('subject') ?? '').slice(0, MAX_SUBJECT),
    text: (params.get('text') ?? '').slice(0, MAX_TEXT),
  };
}

/** The query part for a filter, without `?`; empty for {@link NO_FILTER}. The API takes the same parameters. */
export function writeFilter({
  severities,
  verdicts,
  state,
  waivers,
  checks,
  nodes,
  kinds,
  subject,
  text,
}: FindingFilter): string {
  const params = new URLSearchParams();
  for (const severity of severities) params.append('severity', severity);
  for (const verdict of verdicts) params.append('verdict', verdict);
  if (state !== '') params.append('state', state);
  for (const waiver of waivers) params.append('waiver', waiver);
  for (const check of checks) params.append('check', check);
  for (const node of nodes) params.append('node', node);
  for (const kind of kinds) params.append('kind', kind);
  if (subject !== '') params.append('subject', subject);
  if (text.trim() !== '') params.append('text', text.slice(0, MAX_TEXT));
  return params.toString();
}

/** Does the filter let everything through? */
export function isUnfiltered(filter: FindingFilter): boolean {
  return writeFilter(filter) === '';
}

/** Would the API list this finding? */
export function matches(filter: FindingFilter, finding: FleetFinding): boolean {
  const { severities, verdicts, state, waivers, checks, nodes, kinds, subject, text } = filter;
  return (
    oneOf(severities, finding.severity) &&
    oneOf(verdicts, finding.verdict) &&
    (state === '' || isWaived(finding) === (state === 'waived')) &&
    oneOf(waivers, finding.waiver?.name ?? '') &&
    oneOf(checks, finding.check) &&
    (nodes.length === 0 || nodes.includes(finding.nodeId) || nodes.includes(finding.nodeName)) &&
    oneOf(kinds, finding.subject.kind) &&
    (subject === '' || subject === finding.subject.id || subject === finding.subject.name) &&
    (text.trim() === '' || hasText(finding, text))
  );
}

/** `list` with `value`, or without it if it is there. */
export function toggled<T>(list: readonly T[], value: T): readonly T[] {
  return list.includes(value) ? list.filter((known) => known !== value) : [...list, value];
}

function oneOf<T>(allowed: readonly T[], value: T): boolean {
  return allowed.length === 0 || allowed.includes(value);
}

function distinct(values: readonly string[]): readonly string[] {
  return [...new Set(values.filter((value) => value !== ''))].slice(0, MAX_VALUES);
}
